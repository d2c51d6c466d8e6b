import { appendFileSync } from 'node:fs';
import { where } from './where.js';

/** Where rows leave what they have to say; `scripts/torture.mjs` makes the table of it. */
const FILE = '.test-build/torture.ndjson';

/** What a row has tried, by kind. */
export interface Tally {
  /** Counts one more, or so many more. */
  add(what: string, count?: number): void;
}

interface RowOptions {
  /** What it takes of the host, and how to say that it is missing. */
  readonly needs?: readonly [available: boolean, missing: string];
  readonly timeoutMs?: number;
}

/** How much is tried: 1 unless TORTURE_SCALE says otherwise. Rows multiply their counts by it. */
export const SCALE = Number(process.env['TORTURE_SCALE'] ?? 1);

/**
 * A row of the table of guarantees: a test, `id: bar`, that tries for longer than `npm test` has time for. What it counted stands in
 * the table at the end of `npm run test:torture`, whether the bar held or not.
 */
export function row(id: string, bar: string, attempt: (tried: Tally) => Promise<void>, options: RowOptions = {}): void {
  const { needs: [available, missing] = [true, ''], timeoutMs = 10 * 60_000 } = options;
  if (!available) report({ id, bar, tried: {}, seconds: 0, result: `not tried: ${missing}` });
  where(available, missing)(`${id}: ${bar}`, () => witnessed(id, bar, attempt), timeoutMs);
}

async function witnessed(id: string, bar: string, attempt: (tried: Tally) => Promise<void>): Promise<void> {
  const tried: Record<string, number> = {};
  const start = performance.now();
  const end = (result: string) => report({ id, bar, tried, seconds: Math.round((performance.now() - start) / 1000), result });
  try {
    await attempt({ add: (what, count = 1) => void (tried[what] = (tried[what] ?? 0) + count) });
    end('held');
  } catch (error) {
    end('BROKEN');
    throw error;
  }
}

interface Report {
  readonly id: string;
  readonly bar: string;
  readonly tried: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly result: string;
}

function report(line: Report): void {
  appendFileSync(FILE, `${JSON.stringify(line)}\n`);
}
