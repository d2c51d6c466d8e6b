import { mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import { TRIPWIRE_RULES } from '../src/domain/tripwire.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, startGateway, stopGateways } from './kit/gateway.js';
import { contained } from './kit/where.js';

const work = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-limits-')));
afterAll(async () => {
  await stopGateways();
  rmSync(work, { recursive: true, force: true });
});
afterEach(() => readdirSync(work).forEach((name) => rmSync(join(work, name))));

const MIB = 1024 ** 2;
const LIMITS = { memory: '64MiB', processes: 40, file: '2MiB', openFiles: 100 };
const CAGES: Readonly<Record<string, Declaration>> = {
  'a sandbox of its own': { sandbox: { profile: 'workspace', write: [work] }, limits: { ...LIMITS, cpu: '1s' } },
  'a sandbox that stays': { sandbox: { profile: 'workspace', write: [work] }, limits: LIMITS },
  'no sandbox': { sandbox: { profile: 'host' }, limits: { ...LIMITS, cpu: '1s' } },
};

const shell = (differences: Declaration): Declaration =>
  command({
    script: { interpreter: 'bash', text: 'cd "$2"; eval "$1"', args: ['{a}', work] },
    params: { a: { type: 'string' } },
    // What does harm is what it is about.
    tripwire: { ignore: [...TRIPWIRE_RULES] },
    effect: 'change',
    timeout: '20s',
    ...differences,
  });

let caller: Caller;
beforeAll(async () => {
  const commands = {
    ...Object.fromEntries(Object.entries(CAGES).map(([name, cage]) => [nameOf(name), shell(cage)])),
    neighbour: shell({ sandbox: { profile: 'pure' } }),
  };
  const gateway = await startGateway({ commands, settings: { SANDBOX: 'auto' } });
  caller = await gateway.as('operator');
});

function nameOf(cage: string): string {
  return cage.replaceAll(' ', '-');
}

/** Runs it beside a neighbour that is well all the time. */
async function beside(name: string, a: string): Promise<RunEnvelope> {
  const culprit = caller.run(name, { a });
  const neighbour = await caller.run('neighbour', { a: 'sleep 0.2; (echo well)' });
  expect(neighbour).toMatchObject({ status: 'succeeded', stdout: 'well\n' });
  const run = await culprit;
  expect((await caller.get('/health')).status).toBe(200);
  expect((await caller.run(name, { a: '(echo well)' })).stdout).toBe('well\n');
  return run;
}

/** What takes too much, and what must be true of it. */
const CULPRITS: Readonly<Record<string, readonly [string, (run: RunEnvelope) => void]>> = {
  'a fork bomb': [
    `sh -c 'n=0; while [ $n -lt 200 ]; do sleep 60 > /dev/null & echo; n=$((n + 1)); done' 2> /dev/null | wc -l`,
    ({ stdout }) => expect(Number(stdout)).toBeLessThanOrEqual(LIMITS.processes + 24),
  ],
  'a memory hog': ['head -c 400M /dev/zero | tail > /dev/null && echo all', ({ stdout }) => expect(stdout).toBe('')],
  'a large file': ['head -c 8M /dev/zero > large; true', () => expect(statSync(join(work, 'large')).size).toBe(2 * MIB)],
  'a sparse file': ['truncate -s 1T sparse', ({ status }) => expect([status, statSync(join(work, 'sparse')).size]).toEqual(['failed', 0])],
  'too many open files': [
    'for number in {10..150}; do eval "exec $number< /dev/null" || exit 7; done 2> /dev/null',
    ({ outcome }) => expect(outcome).toEqual({ kind: 'exited', code: 7 }),
  ],
};

describe.each(Object.keys(CAGES))('in %s', (cage) => {
  for (const [what, [script, expectBound]] of Object.entries(CULPRITS))
    contained(`${what} ends itself alone`, async () => {
      // A sandbox stays for a command that is run often.
      if (cage === 'a sandbox that stays')
        await eventually(async () => (await caller.run(nameOf(cage), { a: 'echo $PPID' })).stdout === '2\n', 10_000);
      expectBound(await beside(nameOf(cage), script));
    });

  if (cage !== 'a sandbox that stays')
    contained('a loop that never ends is ended after its time on the processor', async () => {
      const run = await beside(nameOf(cage), 'while :; do :; done');
      expect(run.outcome).toEqual({ kind: 'exited', code: 137, signal: 'SIGKILL' });
      expect(run.durationMs).toBeGreaterThan(900);
    });
});

describe('a sandbox', () => {
  contained('counts files in memory as memory, and has only so much room for them', async () => {
    const run = await beside(
      nameOf('a sandbox of its own'),
      'for n in {1..200}; do head -c 1M /dev/zero > /tmp/$n || exit 7; done 2> /dev/null; echo all',
    );
    expect([run.status, run.stdout]).toEqual(['failed', '']);
  });
});
