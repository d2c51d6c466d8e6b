import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { childrenOf, fixture } from './fixtures/fixture.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import type { Caller } from './kit/gateway.js';
import { Chronicler, expectSound } from './kit/history.js';
import type { Operation } from './kit/history-checker.js';
import { type Program, removeHomes } from './kit/program.js';
import { afflict, type Fault, withAttachedStrace } from './kit/strace.js';
import { type WitnessHome, witnessHome } from './kit/witness-home.js';

afterEach(removeHomes);

const SLOTS = 2;

async function served(): Promise<{ home: WitnessHome; server: Program; admin: Caller }> {
  const home = witnessHome({ settings: { MAX_CONCURRENT_RUNS: `${SLOTS}` } });
  const server = await home.serve();
  return { home, server, admin: await server.as(home.adminKey) };
}

function hostsOf(server: Program): number[] {
  return childrenOf(server.pid).filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('sallyport'));
}

/** Every slot can be taken: as many runs as there are get under way at one time. */
async function expectFullCapacity(home: WitnessHome, admin: Caller): Promise<void> {
  const before = home.pids().length;
  for (let run = 0; run < SLOTS; run += 1)
    await admin.post('/run', { command: 'long', args: { mark: `long-${run}` } }, { prefer: 'respond-async' });
  await eventually(() => home.pids().length === before + SLOTS);
}

const SHORTAGES: readonly (readonly [what: string, fault: Fault])[] = [
  ['no process can be made', { calls: 'clone,clone3,vfork,fork', effect: 'error=EAGAIN', when: '1+' }],
  ['no descriptor is left', { calls: 'pipe2,openat,socketpair', effect: 'error=EMFILE', when: '1+' }],
  ['no memory is left for a program', { calls: 'execve', effect: 'error=ENOMEM', when: '1+' }],
];

describe('when', () => {
  for (const [what, fault] of SHORTAGES) {
    withAttachedStrace(`${what}, runs fail to start, are recorded so, and keep no slot`, async () => {
      const { home, server, admin } = await served();
      const history: Operation[] = [];
      const client = new Chronicler(admin, history);
      const relieve = await Promise.all(hostsOf(server).map((pid) => afflict(pid, fault)));
      await Promise.all(Array.from({ length: 3 * SLOTS }, (_, run) => client.run('quick', `short-${run}`)));
      expect(history.map(({ outcome, status }) => `${outcome} ${status}`)).toEqual(Array(3 * SLOTS).fill('ok failed'));
      await Promise.all(relieve.map((end) => end()));
      await client.run('quick', 'after');
      const { runs, witnesses } = await expectSound(history, admin, home.marks);
      expect(runs.map(({ outcome }) => outcome?.kind).toSorted()).toEqual(['exited', ...Array<string>(3 * SLOTS).fill('failed_to_start')]);
      expect(witnesses).toEqual(['after']);
      await expectFullCapacity(home, admin);
    });
  }

  it('the program is gone, runs fail to start, are recorded so, and keep no slot', async () => {
    const home = witnessHome({ settings: { MAX_CONCURRENT_RUNS: `${SLOTS}` } });
    const program = join(home.folder, 'program');
    copyFileSync(fixture('appends-run-id'), program);
    home.declare({ quick: command({ exec: [program, home.marks, '{mark}'], params: { mark: { type: 'string' } } }) });
    const admin = await (await home.serve()).as(home.adminKey);
    rmSync(program);
    const history: Operation[] = [];
    const client = new Chronicler(admin, history);
    await Promise.all(Array.from({ length: 3 * SLOTS }, (_, run) => client.run('quick', `gone-${run}`)));
    expect(history.map(({ status }) => status)).toEqual(Array(3 * SLOTS).fill('failed'));
    copyFileSync(fixture('appends-run-id'), program);
    expect((await client.run('quick', 'back')).status).toBe('succeeded');
    await expectSound(history, admin, home.marks);
  });
});
