import { GatewayError, type Problem, toProblem } from '../domain/errors.js';
import type { ClientConnection } from '../http/parameters.js';
import type { RateLimits } from '../auth/rate-limits.js';
import type { RunHistory } from './run-history.js';
import type { RunEnvelope } from './run-envelope.js';
import { type BatchRequest, runRequestSchema } from './run-request.js';
import type { RunOrigin } from './run-walk.js';
import type { RunService } from './run.service.js';

/** What became of one item, in the order of the request. */
export type BatchItem = { readonly run: RunEnvelope } | { readonly problem: Problem } | { readonly skipped: 'an earlier item did not succeed' };

/** Many runs in one request. Each item walks the path by itself: checked, limited, recorded and answered apart. */
export class BatchService {
  constructor(
    private readonly runs: RunService,
    private readonly history: RunHistory,
    private readonly limits: RateLimits,
  ) {}

  async run(batch: BatchRequest, origin: RunOrigin, connection: ClientConnection): Promise<readonly BatchItem[]> {
    if (batch.mode === 'parallel') return Promise.all(batch.items.map((item, index) => this.runItem(item, index, { origin, connection })));
    const results: BatchItem[] = [];
    let stopped = false;
    for (const [index, item] of batch.items.entries()) {
      const result: BatchItem = stopped ? { skipped: 'an earlier item did not succeed' } : await this.runItem(item, index, { origin, connection });
      stopped ||= batch.stopOnError && !('run' in result && result.run.status === 'succeeded');
      results.push(result);
    }
    return results;
  }

  private async runItem(item: unknown, index: number, { origin, connection }: { origin: RunOrigin; connection: ClientConnection }): Promise<BatchItem> {
    try {
      // The request itself paid for the first item; the others count like requests of their own.
      if (index > 0) await this.limits.spendForKey(origin.principal);
      const request = runRequestSchema.safeParse(item);
      if (!request.success) throw new GatewayError('invalid_request', 'The item is neither {command, args} nor {text}.', { errors: [{ path: `items.${index}`, message: 'expected {command, args} or {text}' }] });
      const live = await this.runs.start(request.data, origin);
      connection.onGone(() => live.abort({ kind: 'cancelled', by: 'client_gone' }));
      return { run: this.history.present(await live.finished, live.output) };
    } catch (error) {
      return { problem: toProblem(error, origin.requestId) };
    }
  }
}
