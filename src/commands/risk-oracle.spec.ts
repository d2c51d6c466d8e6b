import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { mistakesOf } from '../../test/kit/catalogue-of.js';
import { where } from '../../test/kit/where.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-oracle-'));
const marker = join(folder, 'marker');
const data = join(folder, 'data');
const archive = join(folder, 'archive');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a command line does to the host when a caller chooses the value of `x`. */
interface Case {
  readonly exec: readonly string[];
  readonly value: string;
}

const TOUCH = `touch ${marker}`;
/** By program: a command line with a bare param and a value that leaves a mark; and, where data can be handed over safely, how. */
const CASES: readonly (readonly [program: string, refused: Case, accepted?: readonly string[]])[] = [
  ['tar', { exec: ['tar', '-xf', archive, '{x}'], value: `--to-command=${TOUCH}` }, ['tar', '-tf', archive, '--', '{x}']],
  ['sort', { exec: ['sort', data, '{x}'], value: `--output=${marker}` }, ['sort', '--', '{x}']],
  [
    'git',
    { exec: ['git', 'diff', '--no-index', '{x}', '/dev/null', data], value: `--output=${marker}` },
    ['git', 'log', '--grep={x}', '--', '.'],
  ],
  ['find', { exec: ['find', data, '{x}', marker], value: '-fprint' }],
  ['sed', { exec: ['sed', '-n', '{x}', data], value: `w ${marker}` }],
  ['awk', { exec: ['awk', '{x}', data], value: `BEGIN { system("${TOUCH}") }` }],
  ['xargs', { exec: ['xargs', '-a', data, '{x}', marker], value: 'touch' }],
  ['env', { exec: ['env', '{x}', marker], value: 'touch' }],
  ['nice', { exec: ['nice', '{x}', marker], value: 'touch' }],
  ['timeout', { exec: ['timeout', '5s', '{x}', marker], value: 'touch' }],
  ['setsid', { exec: ['setsid', '-w', '{x}', marker], value: 'touch' }],
  ['sh', { exec: ['sh', '-c', '{x}'], value: TOUCH }],
  ['bash', { exec: ['bash', '-c', '{x}'], value: TOUCH }],
  ['python3', { exec: ['python3', '-c', '{x}'], value: `open(${JSON.stringify(marker)}, "w")` }],
  ['perl', { exec: ['perl', '-e', '{x}'], value: `system("${TOUCH}")` }],
  ['make', { exec: ['make', '-f', '/dev/null', '{x}'], value: `--eval=$(shell ${TOUCH})` }],
  ['tee', { exec: ['tee', '{x}'], value: marker }],
  ['dd', { exec: ['dd', `if=${data}`, '{x}'], value: `of=${marker}` }],
  ['cp', { exec: ['cp', data, '{x}'], value: marker }],
  ['touch', { exec: ['touch', '{x}'], value: marker }],
  ['mkdir', { exec: ['mkdir', '{x}'], value: marker }],
  ['ln', { exec: ['ln', data, '{x}'], value: marker }],
  ['split', { exec: ['split', '-n', '1', data, '{x}'], value: `--filter=${TOUCH}` }],
  ['curl', { exec: ['curl', '-s', `file://${data}`, '{x}'], value: `-o${marker}` }],
  ['rsync', { exec: ['rsync', '{x}', data, 'nowhere:'], value: `--rsh=sh -c '${TOUCH}' --` }],
  ['ssh', { exec: ['ssh', '{x}', 'nowhere'], value: `-oProxyCommand=${TOUCH}` }],
  ['sqlite3', { exec: ['sqlite3', ':memory:', '{x}'], value: `.shell ${TOUCH}` }],
  ['openssl', { exec: ['openssl', 'enc', '-base64', '-in', data, '{x}', marker], value: '-out' }],
];

/** Whether the linter lets a bare string stand there. */
async function isTaken(exec: readonly string[]): Promise<boolean> {
  const declaration = { summary: 'Test', effect: 'read', optional: true, exec, params: { x: { type: 'string' } } };
  return (await mistakesOf(stringify({ commands: { test: declaration } }))).length === 0;
}

/** Runs it as the gateway would, without a sandbox; whether that left the mark. */
function leavesMark(exec: readonly string[], value: string): boolean {
  const [file = '', ...argv] = exec.map((element) => element.replace('{x}', () => value));
  spawnSync(file, argv, { cwd: folder, input: 'text\n', timeout: 3_000, env: { PATH: process.env['PATH'], HOME: folder, LC_ALL: 'C' } });
  return existsSync(marker);
}

describe('what the linter of command lines refuses would really run or write something [P13]', () => {
  beforeEach(() => {
    rmSync(marker, { recursive: true, force: true });
    writeFileSync(data, 'b\na\n');
    spawnSync('tar', ['-cf', archive, '-C', folder, 'data']);
  });

  for (const [program, refused, accepted] of CASES) {
    const isHere = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
    where(isHere, `there is no ${program}`)(`${program}: a bare param`, async () => {
      expect([await isTaken(refused.exec), leavesMark(refused.exec, refused.value)]).toEqual([false, true]);
      if (!accepted) return;
      // The very same value, where the linter takes it, is data.
      rmSync(marker, { recursive: true, force: true });
      expect([await isTaken(accepted), leavesMark(accepted, refused.value)]).toEqual([true, false]);
    });
  }

  it('takes a bare param for a program that only says it, and that leaves no mark', async () => {
    const says = ['echo', '{x}'];
    expect([await isTaken(says), ...CASES.map(([, { value }]) => leavesMark(says, value))]).toEqual([true, ...CASES.map(() => false)]);
  });
});
