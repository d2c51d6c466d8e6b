import type { Logger } from 'pino';
import type { ErrorTracker } from '../domain/error-tracker.js';
import { GatewayError, type Problem, toProblem } from '../domain/errors.js';
import { logLevelOf, reportRefusal } from '../error-tracking/report-refusal.js';
import type { ClientConnection } from '../http/parameters.js';
import { traceIdOf } from '../http/request-context.js';
import type { Metrics } from '../metrics/metrics.js';
import type { RateLimits } from '../auth/rate-limits.js';
import type { LiveRun } from './live-run.js';
import type { RunHistory } from './run-history.js';
import type { RunEnvelope } from './run-envelope.js';
import { type BatchRequest, type RunRequest, runRequestSchema } from './run-request.js';
import { factsOf, type RunOrigin } from './run-walk.js';
import type { RunService } from './run.service.js';

/** What became of one item, in the order of the request. `replayed`: by an earlier request with the same idempotency key. */
export type BatchItem =
  | { readonly run: RunEnvelope; readonly replayed?: true }
  | { readonly problem: Problem; readonly replayed?: true }
  | { readonly skipped: 'an earlier item did not succeed' };

export interface BatchRooms {
  readonly runs: RunService;
  readonly history: RunHistory;
  readonly limits: RateLimits;
  readonly metrics: Metrics;
  readonly errors: ErrorTracker;
  readonly logger: Logger;
}

/** What the items of one batch share. */
interface Sitting {
  readonly origin: RunOrigin;
  /** Under way now. */
  readonly runs: Set<LiveRun>;
  clientIsGone: boolean;
}

const CLIENT_GONE = { kind: 'cancelled', by: 'client_gone' } as const;
const SKIPPED: BatchItem = { skipped: 'an earlier item did not succeed' };

/** Many runs in one request. Each item walks the path by itself: checked, limited, recorded and answered apart. */
export class BatchService {
  constructor(private readonly rooms: BatchRooms) {}

  async run(batch: BatchRequest, origin: RunOrigin, connection: ClientConnection): Promise<readonly BatchItem[]> {
    const sitting: Sitting = { origin, runs: new Set(), clientIsGone: false };
    connection.onGone(() => {
      sitting.clientIsGone = true;
      for (const live of sitting.runs) live.abort(CLIENT_GONE);
    });
    return batch.mode === 'parallel'
      ? Promise.all(batch.items.map((item, index) => this.runItem(item, index, sitting)))
      : this.runInTurn(batch, sitting);
  }

  private async runInTurn({ items, stopOnError }: BatchRequest, sitting: Sitting): Promise<readonly BatchItem[]> {
    const results: BatchItem[] = [];
    let stopped = false;
    for (const [index, item] of items.entries()) {
      stopped ||= sitting.clientIsGone;
      const result: BatchItem = stopped ? SKIPPED : await this.runItem(item, index, sitting);
      stopped ||= stopOnError && !('run' in result && result.run.status === 'succeeded');
      results.push(result);
    }
    return results;
  }

  private async runItem(item: unknown, index: number, sitting: Sitting): Promise<BatchItem> {
    const { origin, runs } = sitting;
    let replayed: { readonly replayed?: true } = {};
    try {
      // The request itself paid for the first item; the others count like requests of their own.
      if (index > 0) await this.rooms.limits.spendForKey(origin.principal);
      const live = await this.rooms.runs.start(readItem(item, index), { ...origin, idempotencyKey: keyOfItem(origin, index) });
      if (live.isReplay) replayed = { replayed: true };
      // It waits for somebody: the batch does not, and whoever leaves it leaves the run alone.
      if (live.isParked) return { run: this.rooms.history.present(live.run, live.output), ...replayed };
      runs.add(live);
      if (sitting.clientIsGone) live.abort(CLIENT_GONE);
      try {
        return { run: this.rooms.history.present(await live.finished, live.output), ...replayed };
      } finally {
        runs.delete(live);
      }
    } catch (error) {
      return { problem: this.problemOf(error, index, origin), ...replayed };
    }
  }

  /** The answer as a whole is no failure, so nobody else would hear of a fault of ours in one of its items. */
  private problemOf(error: unknown, item: number, origin: RunOrigin): Problem {
    const { requestId } = origin;
    const problem = toProblem(error, requestId, traceIdOf(origin.traceparent));
    this.rooms.metrics.errors.inc({ code: problem.code });
    reportRefusal(this.rooms.errors, error, { request: factsOf(origin) });
    if (problem.status >= 500) {
      const cause = error instanceof GatewayError ? error.extra.cause : error;
      this.rooms.logger[logLevelOf(problem.code)](
        { request_id: requestId, item, code: problem.code, err: cause },
        `item of a batch failed: ${problem.detail}`,
      );
    }
    return problem;
  }
}

/** Whether runs were given again and none was made. */
export function isReplay(items: readonly BatchItem[]): boolean {
  return items.some((item) => 'replayed' in item) && items.every((item) => 'replayed' in item || !('run' in item));
}

/** A key of its own for each place, which no caller can give: theirs hold no space. */
function keyOfItem({ idempotencyKey }: RunOrigin, index: number): string | undefined {
  return idempotencyKey === undefined ? undefined : `${idempotencyKey} ${index}`;
}

/** @throws GatewayError `invalid_request` that names the place of the item */
function readItem(item: unknown, index: number): RunRequest {
  const request = runRequestSchema.safeParse(item);
  if (request.success) return request.data;
  throw new GatewayError('invalid_request', 'The item is none of {command, args}, {text} and {planId}.', {
    errors: [{ path: `items.${index}`, message: 'expected {command, args}, {text} or {planId}' }],
  });
}
