// Makes each of the mistakes of test/planted in a copy of the repository and demands that the test it names fails there.
// Needs the tests' build (`npm run build:tests`). Arguments pick mistakes by row (`P1`) or by a part of their words or files.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { PLANTED_BUGS } from '../.test-build/test/planted/planted-bugs.js';
import { compiledName, PlantedTree } from './planted-tree.mjs';

const MOST_SECONDS = 120;
const LANES = Math.min(2, availableParallelism());
/**
 * A mistake may let programs loose: where it can be had, each test has a process tree of its own, which ends with it. Its numbers begin high,
 * so that they mean nobody in the sandboxes inside of it.
 */
const OWN_TREE = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c'];
const INIT = 'echo 20000 > /proc/sys/kernel/ns_last_pid && "$@"; exit $?';
const hasOwnTree = spawnSync(OWN_TREE[0], [...OWN_TREE.slice(1), INIT, 'sh', 'true']).status === 0;
/** What a mistake must not look like: then the copy is broken, and the test has found nothing. */
const BROKEN = /SyntaxError|ReferenceError|Cannot find module|ERR_MODULE_NOT_FOUND|does not provide an export/;

const wanted = process.argv.slice(2);
const bugs = PLANTED_BUGS.filter((bug) => wanted.length === 0 || wanted.some((word) => isMeant(bug, word)));
const queue = [...Map.groupBy(bugs, ({ test }) => test).values()].sort((one, other) => other.length - one.length);
const verdicts = [];
await Promise.all(Array.from({ length: LANES }, workThrough));
verdicts.sort((one, other) => bugs.indexOf(one.bug) - bugs.indexOf(other.bug));
printTable([
  ['rows', 'what if', 'caught by', 'seconds'],
  ...verdicts.map(({ bug, told, seconds }) => [bug.rows.join(' '), bug.bug, told, seconds.toFixed(1)]),
]);
const count = (fate) => verdicts.filter((verdict) => verdict.fate === fate).length;
console.log(`\n${count('caught')} of ${bugs.length} caught, ${count('missed')} not, ${count('skipped')} cannot be tried on this host`);
const mustTryAll = process.env['CI'] === 'true';
process.exitCode = bugs.length === 0 || count('missed') > 0 || (mustTryAll && count('skipped') > 0) ? 1 : 0;

function isMeant({ rows, bug, file, test }, word) {
  return rows.includes(word) || [bug, file, test].some((text) => text.includes(word));
}

/** Takes the mistakes of one test file after the other; first that file must pass as it is. */
async function workThrough() {
  const tree = new PlantedTree();
  try {
    for (let group = queue.shift(); group; group = queue.shift()) {
      const sound = await runTests(tree, group[0].test, [...new Set(group.map(({ title }) => title))]);
      for (const bug of group) {
        const verdict = { bug, ...(await tryBug(tree, bug, sound)) };
        verdicts.push(verdict);
        console.log(`${verdict.fate.padEnd(7)} ${bug.rows.join(' ')}: ${bug.bug}${verdict.fate === 'caught' ? '' : `: ${verdict.told}`}`);
      }
    }
  } finally {
    tree.remove();
  }
}

async function tryBug(tree, bug, sound) {
  const started = performance.now();
  const { fate, told } = await judge(tree, bug, sound);
  return { fate, told, seconds: (performance.now() - started) / 1000 };
}

async function judge(tree, bug, sound) {
  const text = tree.read(bug.file);
  if (text.split(bug.find).length !== 2) return missed('the text is not found once: the list must follow the code');
  const before = sound.tests.filter(({ fullName }) => fullName.includes(bug.title));
  if (sound.broken || before.some(({ status }) => status === 'failed'))
    return missed(`fails without it: ${sound.broken ?? before[0].fullName}`);
  if (before.length === 0) return missed('no test has this title');
  if (before.every(({ status }) => status === 'pending')) return { fate: 'skipped', told: before[0].title };
  tree.change(
    bug.file,
    text.replace(bug.find, () => bug.replace),
  );
  try {
    return verdictOf(await runTests(tree, bug.test, [bug.title]));
  } finally {
    tree.restore();
  }
}

function verdictOf({ broken, tests }) {
  if (broken) return missed(broken);
  const failed = tests.filter(({ status }) => status === 'failed');
  if (failed.length === 0) return missed('nothing failed');
  const nonsense = failed.flatMap(({ failureMessages }) => failureMessages).find((message) => BROKEN.test(message));
  return nonsense ? missed(nonsense) : { fate: 'caught', told: failed[0].title };
}

function missed(told) {
  return { fate: 'missed', told };
}

/** Runs the tests with one of these titles, alone; `broken` says why nothing can be said. */
async function runTests(tree, test, titles) {
  const report = join(tree.folder, 'report.json');
  rmSync(report, { force: true });
  const jest = [
    ...(hasOwnTree ? [...OWN_TREE, INIT, 'sh'] : []),
    process.execPath,
    ...[
      '--experimental-vm-modules',
      '--no-warnings',
      'node_modules/jest/bin/jest.js',
      `--rootDir=${tree.folder}`,
      '--json',
      '--watchman=false',
    ],
    ...[`--outputFile=${report}`, `--cacheDirectory=${join(tree.folder, '.jest')}`, '--runTestsByPath', compiledName(test)],
    `--testNamePattern=${titles.map((title) => RegExp.escape(title)).join('|')}`,
  ];
  const env = { ...process.env, PLANTED: 'true' };
  const child = spawn(jest[0], jest.slice(1), { cwd: tree.folder, env, stdio: 'ignore', detached: true });
  const kill = () => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL');
  const timer = setTimeout(kill, MOST_SECONDS * 1000 * (titles.length > 1 ? 4 : 1));
  await once(child, 'exit').finally(() => clearTimeout(timer));
  return readReport(report);
}

function readReport(file) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { broken: `no verdict within ${MOST_SECONDS} s`, tests: [] };
  }
  const [suite] = report.testResults;
  const tests = suite?.assertionResults ?? [];
  return { broken: tests.length === 0 || report.numRuntimeErrorTestSuites > 0 ? firstLines(suite?.message) : undefined, tests };
}

function firstLines(text) {
  return (text ?? 'no test was run').split('\n').slice(0, 12).join(' ');
}

function printTable(lines) {
  const shown = lines.map((line) => line.map((cell) => (cell.length > 90 ? `${cell.slice(0, 89)}…` : cell)));
  const widths = shown[0].map((_, column) => Math.max(...shown.map((line) => line[column].length)));
  const [head, ...rest] = shown.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`);
  console.log(['', head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rest].join('\n'));
}
