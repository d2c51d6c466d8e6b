import { createHmac } from 'node:crypto';
import { canonicalJson } from '../domain/audit.js';
import type { Write } from '../domain/db.js';
import { ERRORS, GatewayError, type ErrorCode } from '../domain/errors.js';
import { IDEMPOTENCY_KEPT_MS, type IdempotencyClaim } from '../domain/idempotency.js';
import { PassingMap } from '../domain/passing-map.js';
import type { Clock, SecretKey } from '../domain/ports.js';
import type { Run, RunId } from '../domain/run.js';
import type { IdempotencyStore, RunStore } from '../domain/stores.js';
import type { Metrics } from '../metrics/metrics.js';
import { LiveRun } from './live-run.js';
import type { RunWalk } from './run-walk.js';

export interface LedgerRooms {
  readonly keys: IdempotencyStore;
  readonly runs: RunStore;
  readonly secretKey: SecretKey;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

const RETRY_AFTER_SECONDS = 1;
/** What can become of a request with a key, as it is counted. */
const RESULTS = ['first', 'replayed', 'under_way', 'mismatch'] as const;

/**
 * Which run each idempotency key stands for. Keys of requests on their way are known here; those of recorded runs to the store,
 * whose unique record also decides between processes. A key never leads to a second run, and only its own principal finds it.
 */
export class IdempotencyLedger {
  private readonly onTheirWay = new PassingMap<string, RunWalk>();

  constructor(private readonly rooms: LedgerRooms) {
    for (const result of RESULTS) rooms.metrics.idempotentRequests.inc({ result }, 0);
  }

  /**
   * The step `recogniseRepeat`: finds the run that the walk's key stands for, or claims the key until {@link release}.
   * @throws GatewayError `idempotency_mismatch` for a key of another request; `conflict` while the first one is under way;
   *   `run_unknown` when retention has removed its run
   */
  recognise(walk: RunWalk): void | Promise<void> {
    const { principal, idempotencyKey: key } = walk.origin;
    if (key !== undefined) return this.recogniseClaim(walk, { principalId: principal.id, key, fingerprint: this.fingerprintOf(walk) });
  }

  private async recogniseClaim(walk: RunWalk, claim: IdempotencyClaim): Promise<void> {
    this.assertFree(claim);
    walk.replay = await this.recall(claim);
    if (walk.replay) return;
    // Once more: others came by while the store was asked.
    this.assertFree(claim);
    walk.claim = claim;
    this.onTheirWay.set(nameOf(claim), walk);
    this.count('first');
  }

  /** What ties the key to the run; belongs into the commit that records the run. */
  writes({ claim, live }: RunWalk): readonly Write[] {
    if (!claim) return [];
    const record = { ...claim, runId: live.run.id, createdAt: live.run.queuedAt };
    return [{ kind: 'idempotency.insert', record, freeBefore: this.freeBefore() }];
  }

  /** From here on the store alone knows the key, if it was recorded. Safe to call more than once. */
  release({ claim }: Partial<RunWalk>): void {
    if (claim) this.onTheirWay.delete(nameOf(claim));
  }

  /**
   * The run of a request that another process recorded under the same key first, after our own commit was refused for it.
   * @throws whatever {@link recognise} refuses such a request with; `error` itself when it is about something else
   */
  async recallWinner({ claim }: RunWalk, error: unknown): Promise<LiveRun> {
    const winner = claim && error instanceof GatewayError && error.code === 'conflict' ? await this.recall(claim) : undefined;
    if (winner) return winner;
    throw error;
  }

  private assertFree(claim: IdempotencyClaim): void {
    const first = this.onTheirWay.get(nameOf(claim));
    if (!first) return;
    this.assertSame(claim, first.claim);
    throw this.underWay(first.live?.run.id);
  }

  private async recall(claim: IdempotencyClaim): Promise<LiveRun | undefined> {
    const record = await this.rooms.keys.find(claim.principalId, claim.key);
    if (!record || record.createdAt < this.freeBefore()) return undefined;
    this.assertSame(claim, record);
    const run = await this.rooms.runs.find(record.runId);
    if (!run) throw new GatewayError('run_unknown', 'The run of this Idempotency-Key is no longer kept. Nothing was run again.');
    if (run.finishedAt === null) throw this.underWay(run.id);
    this.count('replayed');
    return LiveRun.replay(run, await this.rooms.runs.output(run.id), refusalOf(run));
  }

  private assertSame(claim: IdempotencyClaim, first: IdempotencyClaim | undefined): void {
    if (claim.fingerprint === first?.fingerprint) return;
    this.count('mismatch');
    throw new GatewayError('idempotency_mismatch', 'This Idempotency-Key stands for a request with another command or other arguments.');
  }

  private underWay(id: RunId | undefined): GatewayError {
    this.count('under_way');
    const what = id === undefined ? 'The first request with' : `The run ${id} of`;
    return new GatewayError('conflict', `${what} this Idempotency-Key is still under way.`, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  /**
   * Over the arguments as they were given: what they are checked to depends on the declaration and on the files of the moment, and
   * a reload or the run itself may change either.
   */
  private fingerprintOf({ command, args }: RunWalk): string {
    const request = `idempotency\n${command.name}\n${canonicalJson(args)}`;
    return createHmac('sha256', this.rooms.secretKey.bytes).update(request).digest('hex');
  }

  /** Keys given before this instant count no more. */
  private freeBefore(): string {
    return new Date(Date.parse(this.rooms.clock.now()) - IDEMPOTENCY_KEPT_MS).toISOString();
  }

  private count(result: (typeof RESULTS)[number]): void {
    this.rooms.metrics.idempotentRequests.inc({ result });
  }
}

/** Neither part holds a NUL. */
function nameOf({ principalId, key }: IdempotencyClaim): string {
  return `${principalId}\0${key}`;
}

/** What the first request was told of a run that was accepted and then refused; without the advice to try again. */
function refusalOf({ outcome }: Run): GatewayError | undefined {
  if (outcome?.kind !== 'rejected') return undefined;
  const code = Object.hasOwn(ERRORS, outcome.reason) ? (outcome.reason as ErrorCode) : 'internal';
  return new GatewayError(code, 'The run of this Idempotency-Key was refused before its start. Another attempt needs another key.');
}
