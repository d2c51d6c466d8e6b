// Runs test/torture and prints what was tried, row by row of the table of guarantees. Arguments are handed to Jest: a name picks files.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';

const ROWS = '.test-build/torture.ndjson';
const MOST_MINUTES = 45;

rmSync(ROWS, { force: true });
const { status, signal } = spawnSync('jest', ['--config=jest.torture.config.js', ...process.argv.slice(2)], {
  stdio: 'inherit',
  timeout: MOST_MINUTES * 60_000,
  env: { ...process.env, NODE_OPTIONS: '--experimental-vm-modules --no-warnings' },
});
const text = existsSync(ROWS) ? readFileSync(ROWS, 'utf8') : '';
const rows = text
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line))
  .sort((one, other) => one.id.localeCompare(other.id, 'en', { numeric: true }));
printTable([
  ['row', 'tried', 'bar', 'seconds', 'result'],
  ...rows.map(({ id, bar, tried, seconds, result }) => [
    id,
    Object.entries(tried)
      .map(([what, count]) => `${count} ${what}`)
      .join(', '),
    bar,
    String(seconds),
    result,
  ]),
]);
if (signal) console.error(`stopped after ${MOST_MINUTES} minutes`);
process.exitCode = rows.length === 0 ? 1 : (status ?? 1);

function printTable(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const [head, ...rest] = lines.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`);
  console.log(['', head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rest].join('\n'));
}
