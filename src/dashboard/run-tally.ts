import { setImmediate } from 'node:timers/promises';
import type { PrincipalId } from '../domain/principal.js';
import type { RunId, RunStatus } from '../domain/run.js';
import type { RunGist, RunStore } from '../domain/stores.js';

/** Rows read at one go: about a millisecond. */
const PIECE = 1_000;
/** A run is in the store so long after its id was made, or it never will be: ids that are older come no more. */
const SETTLED_MS = 10_000;
const A_DAY_MS = 86_400_000;

export const ENDED = ['succeeded', 'failed', 'timed_out', 'cancelled', 'rejected', 'lost'] as const satisfies readonly RunStatus[];
type Ended = (typeof ENDED)[number];

/** Runs of one command. */
export type Counts = Readonly<Record<Ended | 'open', number>>;

/** Runs accepted on one day (UTC), by command. */
export interface DayOfRuns {
  /** `2026-11-22` */
  readonly date: string;
  readonly commands: ReadonlyMap<string, Counts>;
}

/**
 * Counts the runs of today, of everybody or of one key. Reads each row once by its primary key, and those that were open once more at each
 * question: what a question costs depends on what is new, not on how many there are.
 */
export class RunTally {
  private day = NaN;
  private cursor: RunId = '';
  private settled = new Map<string, Counts>();
  private open: readonly RunGist[] = [];

  constructor(
    private readonly store: Pick<RunStore, 'find' | 'gists'>,
    private readonly principalId: PrincipalId | undefined,
  ) {}

  /** Not to be called again before it has resolved. */
  async count(now: Date): Promise<DayOfRuns> {
    this.begin(now);
    try {
      await this.lookAgain();
      const counts = await this.readOn(now.getTime() - SETTLED_MS);
      for (const run of this.open) add(counts, run);
      return { date: new Date(this.day).toISOString().slice(0, 10), commands: counts };
    } catch (error) {
      // What was counted by then is half of the truth.
      this.day = NaN;
      throw error;
    }
  }

  /** At midnight, anew. */
  private begin(now: Date): void {
    const day = Math.floor(now.getTime() / A_DAY_MS) * A_DAY_MS;
    if (day === this.day) return;
    this.day = day;
    this.cursor = idAt(day);
    this.settled = new Map();
    this.open = [];
  }

  private async lookAgain(): Promise<void> {
    const stillOpen: RunGist[] = [];
    for (const [index, { id }] of this.open.entries()) {
      if (index % PIECE === PIECE - 1) await setImmediate();
      const run = await this.store.find(id);
      if (run?.finishedAt === null) stillOpen.push(run);
      else if (run) add(this.settled, run);
    }
    this.open = stillOpen;
  }

  /** Takes over what is settled by now, and gives a copy with the rest added. */
  private async readOn(settledMs: number): Promise<Map<string, Counts>> {
    const boundary = idAt(settledMs);
    const fresh: RunGist[] = [];
    const open = [...this.open];
    for (let after = this.cursor; ; await setImmediate()) {
      const owner = this.principalId === undefined ? {} : { principalId: this.principalId };
      const piece = await this.store.gists({ ...owner, after, limit: PIECE });
      for (const run of piece) {
        if (run.id >= boundary) fresh.push(run);
        else {
          this.cursor = run.id;
          if (run.finishedAt === null) open.push(run);
          else add(this.settled, run);
        }
      }
      const last = piece.at(-1);
      if (!last || piece.length < PIECE) break;
      after = last.id;
    }
    this.open = open;
    const counts = new Map(this.settled);
    for (const run of fresh) add(counts, run);
    return counts;
  }
}

const NONE: Counts = { succeeded: 0, failed: 0, timed_out: 0, cancelled: 0, rejected: 0, lost: 0, open: 0 };

function add(counts: Map<string, Counts>, { command, status, finishedAt }: RunGist): void {
  const kind = finishedAt === null ? 'open' : (status as Ended);
  const before = counts.get(command) ?? NONE;
  counts.set(command, { ...before, [kind]: before[kind] + 1 });
}

/** Sorts before every run id that was made at that instant or later, and after those from before: they begin with it. */
function idAt(ms: number): RunId {
  return `run_${Math.max(0, ms).toString(16).padStart(12, '0')}`;
}
