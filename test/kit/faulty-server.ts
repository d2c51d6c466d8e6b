import { expect } from '@jest/globals';
import type { Problem } from '../../src/domain/errors.js';
import { eventually } from './eventually.js';
import type { Caller } from './gateway.js';
import { expectSound, witnessed } from './history.js';
import type { Operation, Remains } from './history-checker.js';
import type { Program } from './program.js';
import { type Fault, under } from './strace.js';
import { type WitnessHome, witnessHome } from './witness-home.js';

/** What `/ready` says while the store cannot be written. */
export const UNREADY = { status: 'unready', failing: ['storage', 'audit'] };

/** Syncs of the writer in a server on a data folder that was in use before: four at the start (the last is its signed checkpoint), then two for each run. */
const SYNCS_AT_START = 4;

/** A fault of the sync that makes this part of the n-th run durable, when runs come one after the other. */
export function syncFault(run: number, part: 'intent' | 'outcome', effect: string): Fault {
  return { calls: 'fsync,fdatasync', effect, when: String(SYNCS_AT_START + 2 * run - (part === 'intent' ? 1 : 0)) };
}

/** A server that meets with the fault, and its home. Its data folder has been in use before. */
export async function servedUnder(fault: Fault): Promise<{ home: WitnessHome; server: Program; admin: Caller }> {
  const home = witnessHome();
  await (await home.serve()).end('SIGTERM');
  const server = await home.serve({}, under(fault));
  return { home, server, admin: await server.as(home.adminKey) };
}

/** Runs are refused in under a second, as something to be tried again, and no program is started. */
export async function expectRefused(admin: Caller, marks: string): Promise<Problem> {
  const before = witnessed(marks).length;
  const start = performance.now();
  const { status, headers, body } = await admin.post<Problem>('/run', { command: 'quick', args: { mark: 'refused' } });
  expect(performance.now() - start).toBeLessThan(1_000);
  expect([status, body.code]).toEqual([503, 'storage_unavailable']);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  expect(witnessed(marks)).toHaveLength(before);
  return body;
}

/** Whatever only reads goes on beside a store that cannot be written. */
export async function expectReadable(admin: Caller): Promise<void> {
  for (const path of ['/runs', '/audit', '/audit/verify', '/commands', '/auth/keys', '/health'])
    expect([path, (await admin.get(path)).status]).toEqual([path, 200]);
}

/** The log has such a line, once. It is written in blocks, so that may take a moment. */
export async function expectTold(server: Program, line: Readonly<Record<string, unknown>>): Promise<void> {
  const told = () => server.log().filter((entry) => Object.entries(line).every(([name, value]) => entry[name] === value));
  await eventually(() => told().length > 0);
  expect(told()).toHaveLength(1);
}

/** The history is sound after a restart. */
export async function expectRecovered(home: WitnessHome, server: Program, history: readonly Operation[]): Promise<Remains> {
  await server.end('SIGTERM');
  return expectSound(history, await (await home.serve()).as(home.adminKey), home.marks);
}
