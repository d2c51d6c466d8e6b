import type { AuditStore, AuditVerdict } from '../domain/audit.js';
import type { AuditCheckpoint, AuditSeed } from '../domain/audit-checkpoint.js';
import { verifyLog, type Evidence } from './audit-verifier.js';
import { anchoredCheckpoints } from './checkpoint-anchor.js';
import { type Checkpoint, openCheckpoint } from './checkpoint-text.js';
import { type NoteKey, NoteSigner } from './signed-note.js';

/** What others need to check the log by themselves. */
export interface CheckpointView extends AuditCheckpoint {
  /** In the form that `--public-key` takes. */
  readonly publicKey: string;
}

/** Looks at the log of this store as an auditor would. */
export class AuditReview {
  constructor(
    private readonly store: AuditStore,
    private readonly seed: AuditSeed,
    private readonly anchorFile: string | undefined,
  ) {}

  /** Of the key that signs this log from now on. */
  get publicKey(): NoteKey {
    return new NoteSigner(this.seed.bytes).publicKey;
  }

  /** The newest; undefined when none was signed yet. */
  async checkpoint(): Promise<CheckpointView | undefined> {
    const latest = await this.store.latestCheckpoint();
    return latest && { ...latest, publicKey: this.publicKey.text };
  }

  /**
   * @param external checkpoints kept elsewhere, beside those of the anchor file
   * @param keys others that may have signed, beside the present one
   */
  async verify(external: readonly Checkpoint[] = [], keys: readonly NoteKey[] = []): Promise<AuditVerdict> {
    const trusted = [this.publicKey, ...keys];
    const anchored = this.anchorFile === undefined ? [] : await anchoredCheckpoints(this.anchorFile, trusted);
    return verifyLog(this.store.entries(), { stored: opened(this.store.checkpoints(), trusted), external: [...external, ...anchored] });
  }
}

async function* opened(stored: AsyncIterable<AuditCheckpoint>, keys: readonly NoteKey[]): NonNullable<Evidence['stored']> {
  for await (const { size, note } of stored) yield { size, checkpoint: openCheckpoint(note, keys) };
}
