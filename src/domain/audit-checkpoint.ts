import { SecretKey } from './ports.js';

/** A signed statement of what the log was: whoever holds it can tell whether the log is still the same, and no shorter. */
export interface AuditCheckpoint {
  /** Entries that it speaks of. */
  readonly size: number;
  readonly at: string;
  /** The signed note, as `docs/audit.md` says. */
  readonly note: string;
}

/** The seed of the Ed25519 key that signs checkpoints (RFC 8032), the same after every restart. */
export abstract class AuditSeed extends SecretKey {
  /** Before it is asked for. @throws GatewayError `storage_unavailable` */
  abstract open(): void;
}
