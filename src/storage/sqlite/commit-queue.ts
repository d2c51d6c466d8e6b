import { GatewayError } from '../../domain/errors.js';
import type { RowWrite } from './row-write.js';
import { storageUnavailable } from './sqlite-errors.js';
import type { Conflict, GroupResult } from './sqlite-writer.js';

/** Bounds of the queue. */
export interface QueueLimits {
  /** Commits that may wait; one more is refused. */
  readonly waiting: number;
  /** Time a group may take at the writer. */
  readonly deadlineMs: number;
}

/** Commits in one transaction at most. More only makes the first ones wait longer. */
const GROUP_COMMITS = 512;
/** Output in one transaction at most, in characters; a single larger commit goes alone. What is written together is answered in one go. */
const GROUP_CHARACTERS = 2 * 1024 ** 2;

/** When a group had so many commits, others are on their way, and the next one waits a moment for them: each group costs an fsync. */
const BUSY_GROUP = 3;
const GATHER_MS = 1;
/** The more runs are under way, the longer each is in line for a processor anyway, and the longer a group may wait for the next of them to begin or to end. */
const RUNS_FOR_A_MS = 8;
const LONGEST_GATHER_MS = 8;
/** Runs that are waited for, for each that began or ended in the last group: those that last for hours bring nothing to wait for. */
const RUNS_FOR_A_CHANGE = 4;

interface PendingCommit {
  readonly writes: readonly RowWrite[];
  resolve(together: number): void;
  reject(error: GatewayError): void;
}

/** Why writes fail now. `passing`: the next group is tried; `stalled`: the writer hangs in one; `final`: until a restart. */
export interface Trouble {
  readonly kind: 'passing' | 'stalled' | 'final';
  readonly reason: string;
}

/**
 * Group commit: one group is with the writer, and what arrives meanwhile makes up the next. Where many commit at once, the next group
 * waits for {@link GATHER_MS}, with many runs under way for up to {@link LONGEST_GATHER_MS}; a commit that comes alone waits for nobody.
 * Knows nothing of threads; `send` hands a group over, {@link settle} and {@link fail} say what became of it.
 */
export class CommitQueue {
  /** Since the start: commits taken, and transactions they were carried out in. */
  readonly statistics = { commits: 0, transactions: 0 };
  private waiting: PendingCommit[] = [];
  private inFlight: PendingCommit[] = [];
  private writerBusy = false;
  private scheduled = false;
  private lastGroup = 0;
  /** Recorded as begun, and their end is not. */
  private runsUnderWay = 0;
  /** Runs that began or ended in the last group. */
  private changes = 0;
  private deadline: NodeJS.Timeout | undefined;
  private trouble: Trouble | undefined;
  private readonly idleListeners: (() => void)[] = [];

  constructor(
    private readonly send: (group: readonly (readonly RowWrite[])[]) => void,
    private readonly limits: QueueLimits,
    /** Told when trouble comes, changes its kind or goes. */
    private readonly onTrouble: (trouble: Trouble | undefined) => void = () => undefined,
  ) {}

  /** Why the last group was not written; undefined when it was. */
  get failure(): string | undefined {
    return this.trouble?.reason;
  }

  /** Commits that are not carried out yet. */
  get size(): number {
    return this.waiting.length + this.inFlight.length;
  }

  /**
   * @returns how many commits were carried out in the same transaction
   * @throws GatewayError `storage_unavailable`, `conflict`, `budget_used_up`
   */
  add(writes: readonly RowWrite[]): Promise<number> {
    if (this.trouble && this.trouble.kind !== 'passing') return Promise.reject(unwritable(this.trouble));
    if (this.waiting.length >= this.limits.waiting) return Promise.reject(storageUnavailable('Too many commits wait for the disk.'));
    this.statistics.commits += 1;
    return new Promise((resolve, reject) => {
      this.waiting.push({ writes, resolve, reject });
      this.schedule();
    });
  }

  /** The writer is done with the group. */
  settle(result: GroupResult): void {
    clearTimeout(this.deadline);
    this.writerBusy = false;
    const group = this.inFlight;
    this.inFlight = [];
    if (result.kind === 'written') {
      this.note(undefined);
      this.acknowledge(group, result.conflicts);
    } else if (result.failStop) {
      this.fail(result.reason, group);
    } else {
      const trouble: Trouble = { kind: 'passing', reason: result.reason };
      this.note(trouble);
      for (const commit of group) commit.reject(unwritable(trouble));
    }
    this.schedule();
  }

  /** Nothing can be written any more. Everybody who waits is told. */
  fail(reason: string, group: readonly PendingCommit[] = this.inFlight): void {
    this.refuse({ kind: 'final', reason }, group);
  }

  /** Resolves when no commit is under way or waiting. Bounded by the deadline of a group. */
  async idle(): Promise<void> {
    if (this.inFlight.length === 0 && this.waiting.length === 0) return;
    await new Promise<void>((resolve) => this.idleListeners.push(resolve));
  }

  /** Leaves the rest of the turn time to join the group. */
  private schedule(): void {
    if (this.waiting.length === 0 && this.inFlight.length === 0) for (const listener of this.idleListeners.splice(0)) listener();
    if (this.scheduled || this.writerBusy || this.waiting.length === 0) return;
    this.scheduled = true;
    const send = () => {
      this.scheduled = false;
      if (this.waiting.length > 0 && !this.writerBusy) this.sendGroup();
    };
    if (this.lastGroup < BUSY_GROUP) setImmediate(send);
    else setTimeout(send, this.gatherMs);
  }

  private get gatherMs(): number {
    const runs = Math.min(this.runsUnderWay, this.changes * RUNS_FOR_A_CHANGE);
    return Math.min(Math.max(GATHER_MS, runs / RUNS_FOR_A_MS), LONGEST_GATHER_MS);
  }

  private sendGroup(): void {
    this.inFlight = this.waiting.splice(0, groupSize(this.waiting));
    this.lastGroup = this.inFlight.length;
    this.writerBusy = true;
    this.statistics.transactions += 1;
    this.deadline = setTimeout(() => this.stall(), this.limits.deadlineMs);
    this.send(this.inFlight.map(({ writes }) => writes));
  }

  private acknowledge(group: readonly PendingCommit[], conflicts: readonly Conflict[]): void {
    const refused = new Map(conflicts.map((conflict) => [conflict.commit, conflict]));
    this.changes = 0;
    for (const [index, commit] of group.entries()) {
      const conflict = refused.get(index);
      if (conflict !== undefined) {
        commit.reject(new GatewayError(conflict.code, conflict.detail));
        continue;
      }
      this.countRuns(commit.writes);
      commit.resolve(group.length);
    }
  }

  private countRuns(writes: readonly RowWrite[]): void {
    for (const { kind } of writes) {
      if (kind !== 'run.open' && kind !== 'run.finish') continue;
      this.changes += 1;
      // Of what an earlier process left open only the end is seen here.
      this.runsUnderWay = Math.max(0, this.runsUnderWay + (kind === 'run.open' ? 1 : -1));
    }
  }

  /** What the writer does with the group in the end is unknown; until it answers nobody else is made to wait for it. */
  private stall(): void {
    this.refuse({ kind: 'stalled', reason: 'The disk does not answer.' }, this.inFlight);
  }

  private refuse(trouble: Trouble, group: readonly PendingCommit[]): void {
    clearTimeout(this.deadline);
    this.note(trouble);
    const { waiting } = this;
    this.inFlight = [];
    this.waiting = [];
    for (const commit of group) commit.reject(unwritable(trouble, true));
    for (const commit of waiting) commit.reject(unwritable(trouble));
    this.schedule();
  }

  /** The first final trouble stays, whatever comes in afterwards. */
  private note(trouble: Trouble | undefined): void {
    const before = this.trouble;
    if (before?.kind === 'final') return;
    this.trouble = trouble;
    if (before?.kind !== trouble?.kind) this.onTrouble(trouble);
  }
}

/** @param inDoubt the writer had it already */
function unwritable({ kind, reason }: Trouble, inDoubt = false): GatewayError {
  const cause = new Error(reason);
  if (kind !== 'final') return storageUnavailable('The store cannot be written at the moment.', cause, { inDoubt });
  const detail = 'The store takes no writes until the gateway is restarted.';
  return storageUnavailable(detail, cause, { inDoubt, untilRestart: true, retryAfterSeconds: 30 });
}

function groupSize(waiting: readonly PendingCommit[]): number {
  let characters = 0;
  let size = 0;
  while (size < waiting.length && size < GROUP_COMMITS) {
    characters += outputCharacters(waiting[size]?.writes ?? []);
    if (size > 0 && characters > GROUP_CHARACTERS) break;
    size += 1;
  }
  return size;
}

function outputCharacters(writes: readonly RowWrite[]): number {
  let characters = 0;
  for (const write of writes) if (write.kind === 'run.insert' || write.kind === 'run.finish') characters += write.output?.[2].length ?? 0;
  return characters;
}
