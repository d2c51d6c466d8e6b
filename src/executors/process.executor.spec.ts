import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { getEventListeners } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ProcessInvocation } from '../domain/command.js';
import type { ExecutionContext } from '../domain/executor.js';
import { NO_SPAN } from '../domain/tracing.js';
import { fixture, printedEnvironment, isAlive, livingGroup } from '../../test/fixtures/fixture.js';
import { PLAIN } from '../../test/fixtures/plain-launch.js';
import { eventually } from '../../test/kit/eventually.js';
import { ProcessLauncher } from '../launcher/process-launcher.js';
import { ProcessExecutor } from './process.executor.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const KILL_GRACE_MS = 200;
const launcher = new ProcessLauncher({ hosts: 1 });
let folder: string;
let executor: ProcessExecutor;
let controller: AbortController;
let output: { stream: string; text: string }[];
let truncations: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'process-executor-spec-'));
  executor = new ProcessExecutor(launcher, { killGraceMs: KILL_GRACE_MS, privateFolder: folder });
  await launcher.start();
});
afterAll(async () => {
  await launcher.stop();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  controller = new AbortController();
  output = [];
  truncations = 0;
});

const stdout = () => output.map(({ text }) => text).join('');
const printedPid = () => eventually(() => Number(/^(\d+)\n/.exec(stdout())?.[1]) || false);

function invocationOf(argv: [string, ...string[]], more: Partial<ProcessInvocation> = {}): ProcessInvocation {
  const { outputBytes: _output, privateFolder: _folder, ...plain } = PLAIN;
  return { ...plain, kind: 'process', file: argv[0], argv, files: [], ...more };
}

function contextOf(outputBytes = 100_000): ExecutionContext {
  return {
    runId: 'run_1',
    signal: controller.signal,
    outputBytes,
    traceparent: TRACEPARENT,
    span: NO_SPAN,
    onOutput: (stream, data) => void output.push({ stream, text: data.toString() }),
    onTruncated: () => void truncations++,
  };
}

function execute(argv: [string, ...string[]], more: Partial<ProcessInvocation> = {}, outputBytes?: number) {
  return executor.execute(invocationOf(argv, more), contextOf(outputBytes));
}

describe('the process executor', () => {
  it('runs a program with the trace context in its environment', async () => {
    expect(await execute([fixture('print-env')], { env: { PATH: '/usr/bin:/bin', TRACEPARENT: 'declared' } })).toEqual({
      kind: 'exited',
      code: 0,
    });
    const [path, traceparent] = printedEnvironment(stdout());
    expect(path).toBe('PATH=/usr/bin:/bin');
    expect(traceparent).toMatch(/^TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    expect(traceparent).not.toContain(TRACEPARENT);
  });

  it('passes output on with its stream, up to the limit', async () => {
    await execute([fixture('prints-secret'), 'abcdefghij'], {}, 20);
    const text = (name: string) => output.filter(({ stream }) => stream === name).map((chunk) => chunk.text);
    expect(text('stdout').join('')).toBe('token=abcdefghij\n');
    expect(text('stderr').join('')).toBe('tok');
    expect(truncations).toBe(1);
  });

  it('writes private files for the time of the run', async () => {
    const files = [{ placeholder: '«f»', content: 'for your eyes only\n' }];
    expect(await execute(['/bin/cat', '«f»'], { files })).toEqual({ kind: 'exited', code: 0 });
    expect(stdout()).toBe('for your eyes only\n');
    expect(await readdir(folder)).toEqual([]);
  });

  it('removes private files when the program cannot be started', async () => {
    const files = [{ placeholder: '«f»', content: 'x' }];
    expect(await execute(['/nonexistent/program', '«f»'], { files })).toMatchObject({ kind: 'failed_to_start' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('starts nothing when private files cannot be written', async () => {
    const homeless = new ProcessExecutor(launcher, { killGraceMs: KILL_GRACE_MS, privateFolder: '/dev/null/nowhere' });
    const end = await homeless.execute(invocationOf(['/bin/true'], { files: [{ placeholder: '«f»', content: '' }] }), contextOf());
    expect(end).toEqual({ kind: 'failed_to_start', reason: 'the private files could not be written (ENOTDIR)' });
  });

  it('never starts a run that was aborted before', async () => {
    const witness = join(folder, 'witness');
    controller.abort();
    expect(await execute([fixture('appends-run-id'), witness, 'run_1'])).toEqual({
      kind: 'failed_to_start',
      reason: 'the run was ended before its start',
    });
    expect(existsSync(witness)).toBe(false);
  });

  it('never starts a run that is aborted while its private files are written', async () => {
    const witness = join(folder, 'witness');
    const ending = execute([fixture('appends-run-id'), witness, 'run_1'], { files: [{ placeholder: '«f»', content: 'x' }] });
    controller.abort();
    expect(await ending).toEqual({ kind: 'failed_to_start', reason: 'the run was ended before its start' });
    expect(existsSync(witness)).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  it('starts a run once', async () => {
    const witness = join(folder, 'witness');
    await execute([fixture('appends-run-id'), witness, 'run_1']);
    expect(await readFile(witness, 'utf8')).toBe('run_1\n');
    await rm(witness);
  });

  it('ends an aborted run with TERM', async () => {
    const ending = execute([fixture('sleeps-forever')]);
    const pid = await printedPid();
    controller.abort();
    expect(await ending).toEqual({ kind: 'exited', code: 143, signal: 'SIGTERM' });
    expect(isAlive(pid)).toBe(false);
  });

  it('ends a run that ignores TERM with KILL, after the grace', async () => {
    const ending = execute([fixture('ignores-term')]);
    const pid = await printedPid();
    const abortedAt = performance.now();
    controller.abort();
    expect(await ending).toEqual({ kind: 'exited', code: 137, signal: 'SIGKILL' });
    expect(performance.now() - abortedAt).toBeGreaterThanOrEqual(KILL_GRACE_MS - 2);
    expect(livingGroup(pid)).toEqual([]);
  });

  it('kills the grandchild that keeps the pipe open', async () => {
    const ending = execute([fixture('spawns-grandchild')]);
    const grandchild = await printedPid();
    controller.abort();
    expect(await ending).toMatchObject({ kind: 'exited' });
    await eventually(() => !isAlive(grandchild));
  });

  it('ends a run whose descendant left the group with the pipe', async () => {
    const ending = execute([fixture('double-forks')]);
    const escaped = await printedPid();
    controller.abort();
    expect(await ending).toEqual({ kind: 'exited', code: 0 });
    expect(isAlive(escaped)).toBe(false);
  });

  it('leaves no listener on the signal', async () => {
    await execute([fixture('exits-with'), '0']);
    await execute(['/nonexistent/program']);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  it('is unavailable without a launcher, and leaves nothing behind', async () => {
    const idle = new ProcessExecutor(new ProcessLauncher(), { killGraceMs: KILL_GRACE_MS, privateFolder: folder });
    const invocation = invocationOf(['/bin/true', '«f»'], { files: [{ placeholder: '«f»', content: 'x' }] });
    await expect(idle.execute(invocation, contextOf())).rejects.toMatchObject({ code: 'executor_unavailable' });
    expect(await readdir(folder)).toEqual([]);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });
});
