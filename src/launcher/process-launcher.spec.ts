import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { fixture, printedEnvironment, groupOf, isAlive, livingGroup, residentBytes } from '../../test/fixtures/fixture.js';
import { launch as launchWith } from '../../test/fixtures/launched-run.js';
import { eventually } from '../../test/kit/eventually.js';
import type { LaunchRequest } from '../domain/launcher.js';
import { ProcessLauncher } from './process-launcher.js';

const MEBIBYTE = 1024 * 1024;
const launcher = new ProcessLauncher({ hosts: 1 });
const launch = (argv: readonly [string, ...string[]], request?: Partial<LaunchRequest>) => launchWith(launcher, argv, request);

async function outcomeOf(argv: readonly [string, ...string[]], request?: Partial<LaunchRequest>) {
  const { ended, stdout, stderr, truncations } = launch(argv, request);
  const end = await ended;
  return { end, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), truncations: truncations() };
}

function hostPid(): number {
  const [pid] = launcher.hostPids;
  if (pid === undefined) throw new Error('No host is alive.');
  return pid;
}

beforeAll(() => launcher.start());
afterAll(() => launcher.stop());

describe('a launched program', () => {
  it('gets its argv, element by element, and no shell reads it', async () => {
    const args = ['', '*', '$(id)', '`id`', 'a;b', '"quoted"', 'back\\slash', 'new\nline', '-n', '${IFS}', 'é✓'];
    const { stdout, end } = await outcomeOf([fixture('echo-args'), ...args]);
    expect(end).toEqual({ kind: 'exited', code: 0 });
    expect(JSON.parse(`[${stdout.toString().trim().replaceAll('\n', ',')}]`)).toEqual(args);
  });

  it('gets any text without NUL as it is', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => !value.includes('\0'));
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 5 }), async (args) => {
        const { stdout } = await outcomeOf(['/usr/bin/printf', '%s\\0', 'first', ...args]);
        expect(stdout.toString().split('\0').slice(1, -1)).toEqual(args);
      }),
      { numRuns: 25 },
    );
  });

  it('is called by its argv[0], not by its file', async () => {
    const { stdout } = await outcomeOf(['renamed', '-c', "tr '\\0' ' ' < /proc/$$/cmdline"], { file: '/bin/sh' });
    expect(stdout.toString()).toMatch(/^renamed -c /);
  });

  it('sees exactly the environment it was given', async () => {
    const { stdout } = await outcomeOf([fixture('print-env')], { env: { PATH: '/usr/bin:/bin', COLOUR: 'green = good' } });
    expect(printedEnvironment(stdout.toString())).toEqual(['COLOUR=green = good', 'PATH=/usr/bin:/bin']);
  });

  it('finds nothing of the gateway in the environment of its parent', async () => {
    const { stdout } = await outcomeOf(['/bin/sh', '-c', "tr '\\0' '\\n' < /proc/$PPID/environ | cut -d= -f1"]);
    expect(printedEnvironment(stdout.toString()).filter((name) => !/^NODE_CHANNEL_|^UV_THREADPOOL_SIZE$/.test(name))).toEqual([]);
  });

  it('has descriptors 0 to 2 only, default signals, a session of its own and the folder it was given', async () => {
    const script = 'ls -m /proc/self/fd; grep -E "Sig(Blk|Ign)" /proc/self/status; cut -d" " -f5,6 /proc/$$/stat; echo $$; pwd';
    const { stdout } = await outcomeOf(['/bin/sh', '-c', script], { cwd: '/usr' });
    const [descriptors, blocked, ignored, groupAndSession, pid, folder] = stdout.toString().split('\n');
    // The fourth is the folder that ls reads.
    expect(descriptors).toBe('0, 1, 2, 3');
    // posix_spawn of glibc leaves the two signals ignored that it keeps for itself (32 and 33).
    expect([blocked, ignored]).toEqual([expect.stringMatching(/\t0+$/), expect.stringMatching(/\t0{7}(?:0|18)0{7,8}$/)]);
    expect(groupAndSession).toBe(`${pid} ${pid}`);
    expect(folder).toBe('/usr');
  });

  it('reads its stdin to the end, or /dev/null', async () => {
    const text = 'ünï\n'.repeat(100_000);
    expect((await outcomeOf([fixture('reads-stdin')], { stdin: text })).stdout.toString()).toBe(text);
    expect((await outcomeOf([fixture('reads-stdin')])).stdout).toHaveLength(0);
  });

  it('need not read its stdin', async () => {
    const { end } = await outcomeOf([fixture('exits-with'), '0'], { stdin: 'x'.repeat(4 * MEBIBYTE) });
    expect(end).toEqual({ kind: 'exited', code: 0 });
  });

  it('may write any byte', async () => {
    const { stdout } = await outcomeOf([fixture('prints-binary')]);
    expect([...stdout]).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
  });

  it('keeps stdout and stderr apart and its output in order', async () => {
    const { stdout, stderr } = await outcomeOf([fixture('slow-drip'), '5', '0.01']);
    expect(stdout.toString()).toBe('drip 1\ndrip 2\ndrip 3\ndrip 4\ndrip 5\n');
    expect(stderr).toHaveLength(0);
  });
});

describe('the end of a launched program', () => {
  it.each([0, 1, 42, 255])('is its exit code %i', async (code) => {
    expect((await outcomeOf([fixture('exits-with'), String(code)])).end).toEqual({ kind: 'exited', code });
  });

  it.each([
    ['TERM', 143],
    ['KILL', 137],
    ['SEGV', 139],
  ])('is 128 + n and the name when signal %s ended it', async (signal, code) => {
    expect((await outcomeOf([fixture('kills-itself'), signal])).end).toEqual({ kind: 'exited', code, signal: `SIG${signal}` });
  });

  it('comes after a grandchild that holds the pipes has gone', async () => {
    const run = launch([fixture('spawns-grandchild')]);
    const grandchild = await run.pid();
    const leader = groupOf(grandchild);
    await eventually(() => !isAlive(leader));
    expect(isAlive(grandchild)).toBe(true);
    run.launched.kill('SIGTERM');
    expect(await run.ended).toEqual({ kind: 'exited', code: 0 });
    await eventually(() => !isAlive(grandchild));
  });

  it('takes along a grandchild that closed the pipes', async () => {
    const run = launch([fixture('leaves-grandchild')]);
    expect(await run.ended).toEqual({ kind: 'exited', code: 0 });
    const grandchild = await run.pid();
    await eventually(() => !isAlive(grandchild));
  });

  it('comes soon after KILL though a descendant in another group holds the pipes', async () => {
    const run = launch([fixture('double-forks')]);
    const escaped = await run.pid();
    const killedAt = performance.now();
    run.launched.kill('SIGKILL');
    expect((await run.ended).kind).toBe('exited');
    expect(performance.now() - killedAt).toBeLessThan(2_000);
    expect(isAlive(escaped)).toBe(false);
  });

  it('is waited for when it closed its output', async () => {
    const run = launch([fixture('closes-stdout-but-lives')]);
    const pid = await run.pid();
    run.launched.kill('SIGTERM');
    expect(await run.ended).toEqual({ kind: 'exited', code: 143, signal: 'SIGTERM' });
    expect(livingGroup(pid)).toEqual([]);
  });

  it('comes with KILL when TERM is ignored', async () => {
    const run = launch([fixture('ignores-term')]);
    const pid = await run.pid();
    run.launched.kill('SIGTERM');
    run.launched.kill('SIGKILL');
    expect(await run.ended).toEqual({ kind: 'exited', code: 137, signal: 'SIGKILL' });
    expect(livingGroup(pid)).toEqual([]);
  });

  it("is nobody else's: a kill after it does nothing", async () => {
    const run = launch([fixture('exits-with'), '3']);
    await run.ended;
    run.launched.kill('SIGKILL');
    expect((await outcomeOf([fixture('exits-with'), '4'])).end).toEqual({ kind: 'exited', code: 4 });
  });
});

describe('a program that cannot be started', () => {
  it.each<[string, [string, ...string[]], Partial<LaunchRequest>, string]>([
    ['is missing', ['/nonexistent/program'], {}, 'the program could not be started (ENOENT)'],
    ['may not be executed', ['/etc/passwd'], {}, 'the program could not be started (EACCES)'],
    ['is a folder', ['/usr'], {}, 'the program could not be started (EACCES)'],
    ['has no name', [''], {}, 'the program could not be started (ERR_INVALID_ARG_VALUE)'],
    ['has a NUL in its argv', ['/bin/echo', 'a\0b'], {}, 'the program could not be started (ERR_INVALID_ARG_VALUE)'],
    ['has a NUL in its environment', ['/bin/echo'], { env: { A: 'a\0b' } }, 'the program could not be started (ERR_INVALID_ARG_VALUE)'],
    ['has an argument that is too long', ['/bin/echo', 'x'.repeat(3 * MEBIBYTE)], {}, 'the program could not be started (E2BIG)'],
    ['has no working folder', ['/bin/echo'], { cwd: '/nonexistent' }, 'the working folder cannot be entered (ENOENT)'],
    ['has a file for a working folder', ['/bin/echo'], { cwd: '/etc/passwd' }, 'the working folder cannot be entered (ENOTDIR)'],
  ])('fails when it %s, and says so without a path', async (_what, argv, request, reason) => {
    expect((await outcomeOf(argv, request)).end).toEqual({ kind: 'failed_to_start', reason });
  });

  it('is not started when it is killed before its turn', async () => {
    const runs = Array.from({ length: 30 }, () => launch([fixture('sleeps-forever')]));
    runs.forEach((run) => run.launched.kill('SIGKILL'));
    const ends = await Promise.all(runs.map((run) => run.ended));
    expect(ends).toEqual(runs.map(() => ({ kind: 'failed_to_start', reason: 'the run was ended before its start' })));
  });

  it('leaves no descriptor open in the host', async () => {
    const descriptors = () => readdirSync(`/proc/${hostPid()}/fd`).length;
    await outcomeOf([fixture('exits-with'), '0']);
    const before = descriptors();
    const bad = ['/nonexistent/program', '/etc/passwd', 'a\0b'];
    await Promise.all(Array.from({ length: 60 }, (_, index) => outcomeOf([bad[index % 3] as string])));
    await eventually(() => descriptors() <= before);
  });
});

describe('the output of a launched program', () => {
  it.each([0, 1, 1000, 65_536, 100_001])('is cut exactly at %i bytes', async (outputBytes) => {
    const { stdout, truncations, end } = await outcomeOf([fixture('floods-stdout'), '200000'], { outputBytes });
    expect({ length: stdout.length, truncations, end }).toEqual({ length: outputBytes, truncations: 1, end: { kind: 'exited', code: 0 } });
  });

  it('is not called truncated when it fits exactly', async () => {
    const { stdout, truncations } = await outcomeOf([fixture('floods-stdout'), '5000'], { outputBytes: 5000 });
    expect({ length: stdout.length, truncations }).toEqual({ length: 5000, truncations: 0 });
  });

  it('counts both streams together', async () => {
    const { stdout, stderr, truncations } = await outcomeOf([fixture('floods-both'), '500000'], { outputBytes: 300_000 });
    expect({ length: stdout.length + stderr.length, truncations }).toEqual({ length: 300_000, truncations: 1 });
  });

  it('may be a gibibyte that nobody keeps: the program ends and the memory of the host stays flat', async () => {
    await outcomeOf([fixture('floods-stdout'), '1000000']);
    const before = residentBytes(hostPid());
    let highest = 0;
    const sampling = setInterval(() => (highest = Math.max(highest, residentBytes(hostPid()))), 20);
    const { end } = await outcomeOf(['/usr/bin/head', '-c', '1G', '/dev/zero']);
    clearInterval(sampling);
    expect(end).toEqual({ kind: 'exited', code: 0 });
    expect(highest - before).toBeLessThan(64 * MEBIBYTE);
  });

  it('may be a line that never ends', async () => {
    const run = launch([fixture('endless-line')], { outputBytes: 100 });
    await eventually(() => run.truncations() === 1);
    run.launched.kill('SIGTERM');
    expect(await run.ended).toEqual({ kind: 'exited', code: 143, signal: 'SIGTERM' });
    expect(Buffer.concat(run.stdout).toString()).toBe('x'.repeat(100));
  });

  it('waits in the program, not in the host, while the gateway does not listen', async () => {
    const before = residentBytes(hostPid());
    const run = launch([fixture('floods-stdout'), String(64 * MEBIBYTE)], { outputBytes: 64 * MEBIBYTE });
    await eventually(() => run.stdout.length > 0);
    blockFor(300);
    expect(residentBytes(hostPid()) - before).toBeLessThan(32 * MEBIBYTE);
    expect(await run.ended).toEqual({ kind: 'exited', code: 0 });
    expect(Buffer.concat(run.stdout)).toHaveLength(64 * MEBIBYTE);
  });
});

it('gives each of 200 parallel programs its own argv', async () => {
  const runs = Array.from({ length: 200 }, (_, index) => launch(['/bin/echo', `run ${index}`]));
  await Promise.all(runs.map((run) => run.ended));
  expect(runs.map((run) => Buffer.concat(run.stdout).toString())).toEqual(runs.map((_, index) => `run ${index}\n`));
});

function blockFor(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
