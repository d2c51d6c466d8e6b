import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { TRIPWIRE_RULES } from '../src/domain/tripwire.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, startGateway, stopGateways } from './kit/gateway.js';
import { contained } from './kit/where.js';

/** In the system's folder for temporary files, which each sandbox has one of its own of. */
const work = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-kept-')));
afterAll(async () => {
  await stopGateways();
  rmSync(work, { recursive: true, force: true });
});

/** Says first which sandbox it is in: numbers of namespaces come again, so when it began belongs to it. */
const TELL = 'do=$1; read -r line < /proc/1/stat; set -- $line; echo "$(readlink /proc/self/ns/pid) ${22}"; eval "$do"';

/** Does what it is told, in a sandbox that stays when that is often. */
const shell = (differences: object = {}): Declaration =>
  command({
    script: { interpreter: 'sh', text: TELL, args: ['{a}'] },
    params: { a: { type: 'string' } },
    effect: 'change',
    // What does harm is what it is about.
    tripwire: { ignore: [...TRIPWIRE_RULES] },
    sandbox: { profile: 'workspace', write: [work] },
    ...differences,
  });

let caller: Caller;
beforeAll(async () => {
  const commands = { shell: shell(), brief: shell({ timeout: '1s' }), other: shell(), neighbour: shell() };
  const gateway = await startGateway({ commands, settings: { SANDBOX: 'auto' } });
  caller = await gateway.as('operator');
});

interface Told extends RunEnvelope {
  /** Which sandbox it was in. */
  readonly place: string;
  readonly said: string;
}

async function tell(name: string, a: string): Promise<Told> {
  const run = await caller.run(name, { a });
  const [place = '', ...said] = run.stdout.split('\n');
  return { ...run, place, said: said.join('\n') };
}

/** Makes sure that the next run of the command, one at a time, comes into a sandbox that stays. @returns which */
function warm(name: string): Promise<string> {
  return eventually(async () => {
    const [first, second] = [await tell(name, 'echo $PPID'), await tell(name, 'echo $PPID')];
    return first.said === '2\n' && second.said === '2\n' && first.place === second.place && first.place;
  }, 15_000);
}

/** Prints how many processes there are: what counts them is no other process. */
const COUNT = 'set -- /proc/[0-9]*; echo $#';

/** Everything that one run could leave for the next. */
const LOOK = [
  'ls -AlRn --time-style=+ /tmp /dev/shm /dev/mqueue /dev/pts | grep -v ^total',
  'stat -c "%n %a" /tmp /dev/shm /dev/mqueue /dev/pts',
  'ipcs -m -s -q | grep -c ^0x',
  COUNT,
  'ulimit -a',
  'cut -d " " -f 19,40,41 /proc/self/stat',
  'grep Cpus_allowed: /proc/self/status',
  'hostname; umask; ls -A /proc/net/unix | wc -l; cat /proc/self/oom_score_adj /proc/self/timerslack_ns 2>/dev/null',
].join('; ');

/** What a run leaves behind, by what it is. */
const LITTER: Readonly<Record<string, string>> = {
  files: 'mkdir -p /tmp/a/b /dev/shm/c && echo x > /tmp/a/b/file && echo x > /dev/shm/c/file && ln -s / /tmp/link',
  'files that cannot be removed at once':
    'mkdir -p /tmp/locked/deep && echo x > /tmp/locked/deep/file && chmod 0 /tmp/locked/deep /tmp/locked',
  'a path that is too long': 'cd /tmp && n=0; while [ $n -lt 40 ]; do d=$(printf %0200d 0); mkdir $d && cd $d; n=$((n + 1)); done',
  'folders without rights': 'chmod 0 /tmp; chmod 777 /dev/shm',
  'a terminal without rights': 'chmod 0 /dev/pts/ptmx',
  'shared memory, semaphores and queues': 'ipcmk -M 4096 -S 1 -Q',
  'message queues': 'touch /dev/mqueue/queue',
  processes: 'setsid sleep 5000 > /dev/null 2>&1 & nohup sh -c "trap \\"\\" TERM; sleep 5000" > /dev/null 2>&1 &',
  'lower limits': 'prlimit --pid 2 --nofile=32:32 --fsize=0:0 --stack=65536:65536',
  'a low priority': 'renice -n 19 -p 2; chrt -i -p 0 2',
  'one processor': 'taskset -p 1 2',
  'a mark for the killer of memory hogs': 'echo 1000 > /proc/2/oom_score_adj',
};

describe('a sandbox that stays', () => {
  for (const [what, a] of Object.entries(LITTER))
    contained(`has nothing in it that an earlier run left: ${what}`, async () => {
      await warm('shell');
      const before = await tell('shell', LOOK);
      await tell('shell', a);
      await warm('shell');
      const after = await tell('shell', LOOK);
      expect(after.said).toBe(before.said);
      expect(after.said.split('\n').length).toBeGreaterThan(20);
    });

  contained('leaves alone what was written to a declared folder, though that lies among temporary files', async () => {
    const place = await warm('shell');
    writeFileSync(join(work, 'precious'), 'kept');
    const run = await tell('shell', `mkdir -p ${work}/made/deep && touch ${work}/made/deep/file /tmp/gone ${work}/../gone`);
    expect([run.status, run.place]).toEqual(['succeeded', place]);
    const { said } = await tell('shell', `ls -A /tmp ${work} ${work}/made/deep`);
    expect(existsSync(join(work, 'precious'))).toBe(true);
    expect(said.split(/\s+/)).toEqual(expect.arrayContaining(['precious', 'made', 'file']));
    expect(said).not.toContain('gone');
  });

  contained('belongs to one command', async () => {
    const runsOf = (name: string) => Promise.all(Array.from({ length: 20 }, () => tell(name, 'sleep 0.01')));
    const [mine, others] = await Promise.all([runsOf('shell'), runsOf('other')]);
    for (const run of [...mine, ...others])
      expect(run).toMatchObject({ status: 'succeeded', place: expect.stringMatching(/^pid:.* \d+$/) });
    const foreign = new Set(others.map(({ place }) => place));
    expect(mine.filter(({ place }) => foreign.has(place))).toEqual([]);
  });

  contained('holds one run at a time', async () => {
    const runs = await Promise.all(Array.from({ length: 20 }, () => tell('other', `${COUNT}; sleep 0.05; ${COUNT}`)));
    expect(runs.filter(({ status }) => status !== 'succeeded')).toEqual([]);
    // Itself, the first process, and the host where there is one.
    for (const { said } of runs) expect(['2\n2\n', '3\n3\n']).toContain(said);
  });

  for (const [attack, statuses] of Object.entries({
    'kill -9 2': ['lost'],
    'kill -SEGV 2; sleep 0.5': ['lost'],
    'kill -STOP 2': ['timed_out'],
    'kill -STOP 1; kill -9 1; kill -TERM 1; echo held': ['succeeded'],
    'kill -TERM 2; kill -INT 2; kill -HUP 2; kill -USR1 2; echo held': ['succeeded'],
    'kill -9 -1': ['lost'],
    'kill -TERM 0; sleep 1': ['failed'],
    'echo x > /proc/2/fd/3; cat /proc/2/environ /proc/2/mem /proc/2/fd/3; ls /proc/2/fd; echo held': ['succeeded'],
    'prlimit --pid 2 --cpu=0:0 --as=0:0 --nofile=0:0; echo held': ['succeeded', 'lost'],
  }))
    contained(`is attacked from inside, and nobody else notices: ${attack}`, async () => {
      await warm('brief');
      await warm('neighbour');
      const neighbours = Promise.all(['neighbour', 'other', 'neighbour'].map((name) => tell(name, 'sleep 0.3; echo well')));
      const attacked = await tell('brief', attack);
      expect(statuses).toContain(attacked.status);
      expect(attacked.durationMs).toBeLessThan(5_000);
      expect((await neighbours).map(({ said }) => said)).toEqual(['well\n', 'well\n', 'well\n']);
      expect((await tell('brief', 'echo well')).said).toBe('well\n');
    });
});
