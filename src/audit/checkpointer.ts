import type { Logger } from 'pino';
import type { AuditEntry, AuditStore } from '../domain/audit.js';
import type { Db } from '../domain/db.js';
import type { ErrorTracker } from '../domain/error-tracker.js';
import type { Clock } from '../domain/ports.js';
import type { Metrics } from '../metrics/metrics.js';
import { anchoredCheckpoints, type CheckpointAnchor } from './checkpoint-anchor.js';
import { type Checkpoint, openCheckpoint, signCheckpoint } from './checkpoint-text.js';
import { NoteSigner } from './signed-note.js';

/** How often the log is looked at. */
const LOOK_EVERY_MS = 1_000;

interface CheckpointerRooms {
  readonly store: AuditStore;
  readonly db: Db;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly errors: ErrorTracker;
  /** 32 bytes; asked at the start. */
  readonly seed: () => Buffer;
  readonly anchors: readonly CheckpointAnchor[];
  /** A file of notes that the log must live up to at the start. */
  readonly anchorFile: string | undefined;
  readonly pace: { readonly entries: number; readonly intervalMs: number };
}

/**
 * Signs what the log is: after so many entries, after so much time when there are new ones, at the start and at the end of a server.
 * A log that contradicts an earlier checkpoint is not signed any more: a signature would make the forgery good.
 */
export class Checkpointer {
  private signer: NoteSigner | undefined;
  private last: Checkpoint | undefined;
  private lastAt = 0;
  private looking: NodeJS.Timeout | undefined;
  private underWay: Promise<void> | undefined;
  private contradiction: string | undefined;

  constructor(private readonly rooms: CheckpointerRooms) {}

  /** Why the log is not signed: it is not what a checkpoint says that it was. Undefined when all is well. */
  get trouble(): string | undefined {
    return this.contradiction;
  }

  /** The store must be open, and the seed. */
  async start(): Promise<void> {
    this.signer = new NoteSigner(this.rooms.seed());
    this.last = await this.lastStored();
    for (const checkpoint of [this.last, await this.lastAnchored()]) if (checkpoint) await this.compare(checkpoint);
    await this.look(true);
    this.looking = setInterval(() => void this.look(false), LOOK_EVERY_MS).unref();
  }

  /** Signs the end of the log. Does nothing before the start. */
  async stop(): Promise<void> {
    clearInterval(this.looking);
    if (!this.signer) return;
    await this.underWay;
    await this.look(true);
    this.signer = undefined;
  }

  /** Never rejects: the next look tries again. */
  private look(atOnce: boolean): Promise<void> {
    return (this.underWay ??= this.signIfDue(atOnce)
      .catch((error: unknown) => this.rooms.logger.warn({ err: error }, 'the audit log could not be signed; it is tried again'))
      .finally(() => (this.underWay = undefined)));
  }

  private async signIfDue(atOnce: boolean): Promise<void> {
    const { store, clock, pace } = this.rooms;
    if (this.contradiction !== undefined) return;
    const [head] = (await store.page({ limit: 1 })).items;
    if (this.last && !(await this.holds(this.last))) return this.contradicted(this.last);
    const added = (head?.seq ?? 0) - (this.last?.size ?? 0);
    if (!head || added <= 0) return;
    if (atOnce || added >= pace.entries || clock.monotonic() - this.lastAt >= pace.intervalMs) await this.sign(head);
  }

  private async sign(head: AuditEntry): Promise<void> {
    const { db, clock, metrics } = this.rooms;
    if (!this.signer) return;
    const checkpoint = { size: head.seq, head: head.hash };
    const note = signCheckpoint(this.signer, checkpoint);
    await db.commit([{ kind: 'audit.checkpoint', checkpoint: { size: head.seq, at: clock.now(), note } }]);
    this.last = checkpoint;
    this.lastAt = clock.monotonic();
    metrics.auditCheckpoints.inc();
    await Promise.all(this.rooms.anchors.map((anchor) => this.anchor(anchor, note)));
  }

  /** Fails open: the next checkpoint says all that this one said. */
  private async anchor(anchor: CheckpointAnchor, note: string): Promise<void> {
    try {
      await anchor.keep(note);
    } catch (error) {
      this.rooms.metrics.auditAnchorFailures.inc({ anchor: anchor.name });
      this.rooms.logger.warn({ err: error, anchor: anchor.name }, 'a checkpoint of the audit log could not be anchored');
    }
  }

  private async lastStored(): Promise<Checkpoint | undefined> {
    const stored = await this.rooms.store.latestCheckpoint();
    const checkpoint = stored && this.opened(stored.note);
    if (stored && !checkpoint) {
      this.rooms.logger.warn({ size: stored.size }, 'the last checkpoint of the audit log was changed, or signed with another key');
    }
    return checkpoint;
  }

  private async lastAnchored(): Promise<Checkpoint | undefined> {
    const { anchorFile } = this.rooms;
    if (anchorFile === undefined || !this.signer) return undefined;
    const checkpoints = await anchoredCheckpoints(anchorFile, [this.signer.publicKey]);
    return checkpoints.reduce<Checkpoint | undefined>((largest, one) => (largest && largest.size > one.size ? largest : one), undefined);
  }

  private opened(note: string): Checkpoint | undefined {
    return this.signer && openCheckpoint(note, [this.signer.publicKey]);
  }

  private async compare(checkpoint: Checkpoint): Promise<void> {
    if (!(await this.holds(checkpoint))) this.contradicted(checkpoint);
  }

  /** Looks at the one entry that the checkpoint names; whether those before it are sound is for the verifier. */
  private async holds({ size, head }: Checkpoint): Promise<boolean> {
    return size === 0 || (await this.rooms.store.find(size))?.hash === head;
  }

  private contradicted({ size }: Checkpoint): void {
    this.rooms.errors.report({ name: 'audit_contradicted' });
    this.contradiction = `The audit log is not the one that the checkpoint of ${size} entries vouches for.`;
    this.rooms.logger.error(
      { size },
      'the audit log was cut, put back or rewritten: it contradicts a checkpoint and is not signed any more',
    );
  }
}
