import { afterAll, expect } from '@jest/globals';
import { fixture } from '../fixtures/fixture.js';
import { FaultSweep } from '../kit/fault-sweep.js';
import { removeHomes } from '../kit/program.js';
import { type Fault, hasStrace } from '../kit/strace.js';
import { row, SCALE, type Tally } from '../kit/torture.js';

afterAll(removeHomes);

const needs = [hasStrace, 'there is no strace'] as const;
const KILL = 'signal=SIGKILL';
const SYNCS = 'fsync,fdatasync';
const SPAWNS = 'clone3,clone';

/** A fault at many of the calls of one kind, spread over all that a busy gateway makes. */
interface Stretch {
  readonly calls: string;
  readonly effect: string;
  /** How many of the calls are tried, one a case. */
  readonly most: number;
  /** Name of a file of the store, or the path of a program: only calls about it. */
  readonly about?: string;
  /** What follows the number of the call: `+` from it on, `..` and a width for some. */
  readonly lasting?: number;
}

/** Two homes share the work. */
async function sweep(stretches: readonly Stretch[], tried: Tally): Promise<void> {
  const homes = [new FaultSweep(), new FaultSweep()] as const;
  const faults = (
    await Promise.all(
      [0, 1].map((half) =>
        casesOf(
          homes[half]!,
          stretches.filter((_, place) => place % 2 === half),
        ),
      ),
    )
  ).flat();
  const worker = async (home: FaultSweep) => {
    for (let fault = faults.shift(); fault; fault = faults.shift()) await face(home, fault, tried);
  };
  await Promise.all(homes.map(worker));
  for (const { history } of homes) {
    tried.add('requests', history.length);
    tried.add('acknowledged', history.filter(({ outcome }) => outcome === 'ok').length);
  }
}

async function face(home: FaultSweep, fault: Fault, tried: Tally): Promise<void> {
  const { struck, lived, violations } = await home.meet(fault);
  expect([fault, violations]).toEqual([fault, []]);
  tried.add('faults');
  if (struck) tried.add('met');
  if (struck && lived) tried.add('survived');
}

async function casesOf(home: FaultSweep, stretches: readonly Stretch[]): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const { calls, effect, most, about, lasting } of stretches) {
    const aim = { calls, effect, ...(about === undefined ? {} : { path: about.startsWith('/') ? about : home.file(about) }) };
    const count = await home.count(aim);
    for (const first of spread(count, most * SCALE))
      faults.push({ ...aim, when: lasting ? `${first}..${first + lasting}` : String(first) });
  }
  return faults;
}

/** So many numbers from 1 to `last`, in even steps; all where there are not that many. */
function spread(last: number, most: number): number[] {
  const step = Math.max(1, last / most);
  return [...new Set(Array.from({ length: Math.min(most, last) }, (_, place) => Math.round(1 + place * step)))];
}

row(
  'D3',
  'kill -9 at any system call loses and doubles nothing',
  (tried) =>
    sweep(
      [
        { calls: SYNCS, effect: KILL, most: 24 },
        { calls: 'pwrite64', effect: KILL, most: 12, about: 'sallyport.db-wal' },
        { calls: 'pwrite64', effect: KILL, most: 3, about: 'sallyport.db' },
        { calls: 'write', effect: KILL, most: 12 },
        { calls: SPAWNS, effect: KILL, most: 5 },
        { calls: 'openat', effect: KILL, most: 5 },
        { calls: 'unlink', effect: KILL, most: 3 },
        { calls: 'execve', effect: KILL, most: 1, about: fixture('appends-run-id') },
      ],
      tried,
    ),
  { needs },
);

row(
  'D7',
  'a call of the disk that fails loses and doubles nothing',
  (tried) =>
    sweep(
      [
        { calls: SYNCS, effect: 'error=EIO', most: 6 },
        { calls: 'pwrite64', effect: 'error=EIO', most: 4, about: 'sallyport.db-wal' },
        { calls: 'write', effect: 'error=EIO', most: 3 },
        { calls: 'unlink', effect: 'error=EIO', most: 2 },
        { calls: SYNCS, effect: 'delay_enter=700000', most: 3 },
        { calls: 'write', effect: 'delay_enter=300000', most: 2 },
      ],
      tried,
    ),
  { needs },
);

row(
  'D6',
  'no room for a while loses and doubles nothing',
  (tried) =>
    sweep(
      [
        { calls: 'pwrite64', effect: 'error=ENOSPC', most: 5, about: 'sallyport.db-wal', lasting: 20 },
        { calls: 'write', effect: 'error=ENOSPC', most: 3 },
      ],
      tried,
    ),
  { needs },
);

row(
  'P14',
  'no processes, descriptors or programs for a while lose and double nothing',
  (tried) =>
    sweep(
      [
        { calls: SPAWNS, effect: 'error=EAGAIN', most: 5, lasting: 2 },
        { calls: 'openat', effect: 'error=EMFILE', most: 5 },
        { calls: 'pipe2', effect: 'error=EMFILE', most: 4 },
        { calls: 'execve', effect: 'error=ENOMEM', most: 1, about: fixture('appends-run-id') },
        { calls: 'write', effect: 'error=EAGAIN', most: 3 },
        { calls: 'connect', effect: 'error=EAGAIN', most: 1 },
      ],
      tried,
    ),
  { needs },
);
