import { existsSync, readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import type { AuditEntry, Page } from '../../src/domain/audit.js';
import type { Problem } from '../../src/domain/errors.js';
import type { RunEnvelope, RunSummary } from '../../src/runs/run-envelope.js';
import { checkHistory, type Operation, type Remains } from './history-checker.js';
import type { Answer, Caller } from './gateway.js';

/** Problems that do not say that nothing was started. */
const UNCERTAIN = ['outcome_unrecorded', 'internal'];

/** Nothing of ours takes longer to answer. */
const PATIENCE_MS = 20_000;

/** A client that writes down what it saw. Several may write into one history. */
export class Chronicler {
  constructor(
    private readonly caller: Caller,
    private readonly history: Operation[],
  ) {}

  /**
   * Asks for a run with this mark. Never throws for what the gateway does or does not answer: that is the history.
   * @param patience `wait` for the end of the run, or be answered as soon as it is accepted (`async`)
   */
  async run(command: string, mark: string, patience: 'wait' | 'async' = 'wait'): Promise<Operation> {
    const startedAt = performance.now();
    const headers: Record<string, string> = patience === 'async' ? { prefer: 'respond-async' } : {};
    const seen = await this.caller
      .request<RunEnvelope | Problem>('POST', '/run', {
        body: { command, args: { mark } },
        headers,
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
      .then(reading, (reason: unknown) => unanswered(reason));
    const operation = { mark, startedAt, endedAt: performance.now(), ...seen };
    this.history.push(operation);
    return operation;
  }
}

type Seen = Pick<Operation, 'outcome' | 'runId' | 'status'>;

function reading({ body }: Answer<RunEnvelope | Problem>): Seen {
  if ('id' in body) return { outcome: 'ok', runId: body.id, status: body.status };
  return { outcome: UNCERTAIN.includes(body.code) ? 'unknown' : 'rejected', ...('runId' in body ? { runId: String(body.runId) } : {}) };
}

/** By name: what `fetch` throws is made outside of the realm of the tests. */
function unanswered(reason: unknown): Seen {
  const { name, message } = reason as Error;
  if (name === 'TimeoutError' || (name === 'TypeError' && ['fetch failed', 'terminated'].includes(message))) return { outcome: 'unknown' };
  throw reason;
}

/** Everything that is left, through the front door of a gateway that has recovered. */
export async function remains(admin: Caller, witnessFile: string): Promise<Remains> {
  return {
    runs: await everything<RunSummary>(admin, '/runs'),
    entries: (await everything<AuditEntry>(admin, '/audit')).toReversed(),
    witnesses: witnessed(witnessFile),
  };
}

/** The marks that witness commands have left, oldest first. */
export function witnessed(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}

/** Fails the test with every rule that the history breaks; gives what is left. */
export async function expectSound(history: readonly Operation[], admin: Caller, witnessFile: string): Promise<Remains> {
  const left = await remains(admin, witnessFile);
  expect(checkHistory(history, left)).toEqual([]);
  return left;
}

/** Every item of a listing. */
async function everything<T>(caller: Caller, path: string): Promise<T[]> {
  const items: T[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { status, body }: Answer<Page<T>> = await caller.get<Page<T>>(`${path}?limit=200${cursor && `&cursor=${cursor}`}`);
    if (status !== 200) throw new Error(`expected a page of ${path}, got ${status} ${JSON.stringify(body)}`);
    items.push(...body.items);
    cursor = body.nextCursor;
  }
  return items;
}
