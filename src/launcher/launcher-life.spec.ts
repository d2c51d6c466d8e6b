import { fork, spawn, type ForkOptions } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { fixture, isAlive, livingGroup } from '../../test/fixtures/fixture.js';
import { launch } from '../../test/fixtures/launched-run.js';
import { eventually } from '../../test/kit/eventually.js';
import { ProcessLauncher, type ProcessLauncherOptions } from './process-launcher.js';

let launcher: ProcessLauncher;

async function startLauncher(options: ProcessLauncherOptions = { hosts: 1 }): Promise<ProcessLauncher> {
  launcher = new ProcessLauncher(options);
  await launcher.start();
  return launcher;
}

function onlyHost(): number {
  expect(launcher.hostPids).toHaveLength(1);
  return launcher.hostPids[0] as number;
}

// Not every test starts one.
afterEach(() => launcher?.stop());

describe('the hosts of a launcher', () => {
  it('take 64 runs each before the next one is given any', async () => {
    await startLauncher({ hosts: 2 });
    const runs = Array.from({ length: 66 }, () => launch(launcher, ['/bin/sh', '-c', 'echo $$; echo $PPID; exec sleep 60']));
    const parents = await Promise.all(runs.map((run) => eventually(() => Buffer.concat(run.stdout).toString().split('\n', 3)[1] || false)));
    expect(parents.map(Number)).toEqual(runs.map((_, index) => launcher.hostPids[index < 64 ? 0 : 1]));
  });

  it('are passed over while they are held up, and start what they were given when they go on', async () => {
    await startLauncher({ hosts: 2 });
    const [first] = launcher.hostPids as [number, number];
    process.kill(first, 'SIGSTOP');
    const held = launch(launcher, [fixture('exits-with'), '7']);
    await delay(600);
    expect(await launch(launcher, [fixture('exits-with'), '8']).ended).toEqual({ kind: 'exited', code: 8 });
    process.kill(first, 'SIGCONT');
    expect(await held.ended).toEqual({ kind: 'exited', code: 7 });
    const run = launch(launcher, ['/bin/sh', '-c', 'echo $PPID']);
    await run.ended;
    expect(Number(Buffer.concat(run.stdout).toString())).toBe(first);
  });

  it('have no thread that the end of a program would wake while others wait for a processor', async () => {
    await startLauncher({ hosts: 1 });
    const host = onlyHost();
    const others = readdirSync(`/proc/${host}/task`).filter((thread) => Number(thread) !== host);
    const threads = others.map((thread) => {
      const ofThread = (file: string) => readFileSync(`/proc/${host}/task/${thread}/${file}`, 'utf8');
      const [, blocked = ''] = /^SigBlk:\s*(\w+)/m.exec(ofThread('status')) ?? [];
      return { blocksSigchld: (BigInt(`0x${blocked}`) & 0x10000n) !== 0n, isIdle: ofThread('stat').split(') ')[1]?.split(' ')[38] === '5' };
    });
    expect(threads.filter(({ blocksSigchld, isIdle }) => blocksSigchld === isIdle)).toEqual([]);
    expect(threads.filter(({ blocksSigchld }) => blocksSigchld)).toHaveLength(1);
  });

  it('are all gone after stop, and what they ran with them', async () => {
    await startLauncher({ hosts: 2 });
    const hosts = launcher.hostPids;
    const run = launch(launcher, [fixture('ignores-term')]);
    const pid = await run.pid();
    await launcher.stop();
    expect(hosts.filter(isAlive)).toEqual([]);
    expect(await run.ended).toEqual({ kind: 'lost' });
    expect(launcher.hostPids).toEqual([]);
    await eventually(() => livingGroup(pid).length === 0);
    await launcher.stop();
    expect(() => launch(launcher, ['/bin/true'])).toThrow(expect.objectContaining({ code: 'executor_unavailable' }));
  });

  it('are gone after a stop in the middle of the start', async () => {
    launcher = new ProcessLauncher({ hosts: 2 });
    const starting = launcher.start();
    const hosts = launcher.hostPids;
    const refused = expect(starting).rejects.toMatchObject({ code: 'executor_unavailable' });
    await launcher.stop();
    await refused;
    expect(hosts).toHaveLength(2);
    expect(hosts.filter(isAlive)).toEqual([]);
  });

  it('end when their gateway was gone before they could hear of it', async () => {
    const file = fileURLToPath(new URL('./host.js', import.meta.url));
    const options: ForkOptions = {
      env: { UV_THREADPOOL_SIZE: '1' },
      execArgv: ['--single-threaded'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      cwd: '/',
      serialization: 'advanced',
    };
    for (const afterMs of [0, 10, 20, 30, 40, 50, 60, 80]) {
      const host = fork(file, options);
      await delay(afterMs);
      host.disconnect();
      const end = await Promise.race([once(host, 'exit'), delay(10_000, 'still there', { ref: false })]);
      host.kill('SIGKILL');
      expect([afterMs, end]).toEqual([afterMs, [0, null]]);
    }
  });

  it('can be stopped before they were started', async () => {
    launcher = new ProcessLauncher();
    await launcher.stop();
    expect(launcher.hostPids).toEqual([]);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)('live through %s', async (signal) => {
    await startLauncher();
    process.kill(onlyHost(), signal);
    expect(await launch(launcher, [fixture('exits-with'), '7']).ended).toEqual({ kind: 'exited', code: 7 });
  });

  it('open no debugger on SIGUSR1', async () => {
    await startLauncher();
    const host = onlyHost();
    const descriptors = () => readdirSync(`/proc/${host}/fd`).length;
    expect(await launch(launcher, ['/bin/sleep', '0.1']).ended).toEqual({ kind: 'exited', code: 0 });
    const before = descriptors();
    process.kill(host, 'SIGUSR1');
    expect(await launch(launcher, ['/bin/sleep', '0.1']).ended).toEqual({ kind: 'exited', code: 0 });
    expect(descriptors()).toBeLessThanOrEqual(before);
  });
});

describe('a launcher without the FFI', () => {
  it('says so, and starts, feeds and ends programs all the same', async () => {
    await startLauncher({ hosts: 1, ffi: false });
    expect(launcher.containment).toMatchObject({ mechanism: 'child_process', orphans: 'process group' });
    expect(await launch(launcher, [fixture('exits-with'), '7']).ended).toEqual({ kind: 'exited', code: 7 });
    const run = launch(launcher, ['/bin/sh', '-c', 'echo $$; exec sleep 60']);
    await run.pid();
    run.launched.kill('SIGTERM');
    expect(await run.ended).toEqual({ kind: 'exited', code: 143, signal: 'SIGTERM' });
    expect(await launch(launcher, ['/nowhere/to/be/found']).ended).toMatchObject({ kind: 'failed_to_start' });
  });

  it('has it by default where there is a Linux', async () => {
    await startLauncher({ hosts: 1 });
    expect(launcher.containment.mechanism).toBe(process.platform === 'linux' ? 'posix_spawn' : 'child_process');
  });
});

describe('a host that is killed', () => {
  it('ends its runs as lost, takes their groups along and is replaced', async () => {
    const losses: unknown[] = [];
    await startLauncher({ hosts: 1, onHostLost: (host) => losses.push(host) });
    const host = onlyHost();
    const run = launch(launcher, [fixture('ignores-term')]);
    const withGrandchild = launch(launcher, [fixture('spawns-grandchild')]);
    const pids = [await run.pid(), await withGrandchild.pid()];
    process.kill(host, 'SIGKILL');
    expect([await run.ended, await withGrandchild.ended]).toEqual([{ kind: 'lost' }, { kind: 'lost' }]);
    await eventually(() => !pids.some(isAlive));
    expect(losses).toEqual([{ pid: host, runs: 2 }]);
    const again = await eventually(() => launch(launcher, [fixture('exits-with'), '7']));
    expect(await again.ended).toEqual({ kind: 'exited', code: 7 });
    expect(onlyHost()).not.toBe(host);
  });

  it('leaves the work to the others', async () => {
    await startLauncher({ hosts: 2 });
    process.kill(launcher.hostPids[0] as number, 'SIGKILL');
    await eventually(() => launcher.hostPids.length === 1);
    expect(await launch(launcher, [fixture('exits-with'), '7']).ended).toEqual({ kind: 'exited', code: 7 });
  });

  it('makes the executor unavailable until its replacement is there', async () => {
    await startLauncher();
    process.kill(onlyHost(), 'SIGKILL');
    await eventually(() => launcher.hostPids.length === 0);
    expect(() => launch(launcher, ['/bin/true'])).toThrow(expect.objectContaining({ code: 'executor_unavailable' }));
    await eventually(() => launcher.hostPids.length === 1);
  });
});

describe('a gateway', () => {
  const program = fileURLToPath(new URL('../../test/fixtures/tiny-gateway.js', import.meta.url));

  /** Starts one from a shell that first does `before`, to run `argv` `count` times at once. */
  function startGateway(before: string, count: number, argv: readonly string[]) {
    const args = ['-c', `${before}; exec "$@"`, 'sh', process.execPath, program, String(count), ...argv];
    return spawn('/bin/sh', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  it('that is killed leaves neither host nor runs behind', async () => {
    const gateway = startGateway(':', 1, [fixture('ignores-term')]);
    const pids = (await firstLines(gateway.stdout, 2)).map(Number);
    expect(pids.filter(isAlive)).toEqual(pids);
    gateway.kill('SIGKILL');
    await eventually(() => !pids.some(isAlive));
  });

  it('passes on no descriptor that it inherited itself', async () => {
    const gateway = startGateway('exec 9< /etc/passwd', 1, ['/bin/ls', '-m', '/proc/self/fd']);
    // The fourth is the folder that ls reads.
    expect((await firstLines(gateway.stdout, 2))[1]).toBe('0, 1, 2, 3');
  });

  it('refuses what it has no descriptors for, and carries out the rest', async () => {
    const gateway = startGateway('ulimit -n 63', 20, ['/bin/sleep', '0.3']);
    const ends = (await firstLines(gateway.stdout, 21)).slice(1).map((line) => JSON.parse(line) as { kind: string; reason?: string });
    expect(ends.filter((end) => end.kind === 'exited')).toHaveLength(3);
    expect(ends.filter((end) => end.reason === 'the program could not be started (EMFILE)')).toHaveLength(17);
  });
});

async function firstLines(output: Readable, count: number): Promise<string[]> {
  let text = '';
  for await (const data of output.iterator({ destroyOnReturn: false })) {
    text += String(data);
    const lines = text.split('\n');
    if (lines.length > count) return lines.slice(0, count);
  }
  throw new Error('The output ended early.');
}
