// Lines that the tests reach, in the tests' own process (as Jest counts them) and in the processes they start (as V8 writes them).
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const LEAST_PERCENT = 90;

const require = createRequire(import.meta.url);
const { createCoverageMap } = require('istanbul-lib-coverage');
const { createContext } = require('istanbul-lib-report');
const reports = require('istanbul-reports');

const folder = 'coverage';
const raw = join(folder, 'processes');
rmSync(folder, { recursive: true, force: true });
mkdirSync(raw, { recursive: true });

run('jest', ['--coverage', '--coverageReporters=json', `--coverageDirectory=${join(folder, 'tests')}`], {
  NODE_OPTIONS: '--experimental-vm-modules --no-warnings',
  NODE_V8_COVERAGE: raw,
});
run('c8', ['report', `--temp-directory=${raw}`, '--reporter=json', `--reports-dir=${join(folder, 'children')}`]);

const map = createCoverageMap({});
for (const part of ['tests', 'children']) map.merge(JSON.parse(readFileSync(join(folder, part, 'coverage-final.json'), 'utf8')));
const context = createContext({ dir: folder, coverageMap: map });
for (const reporter of ['text-summary', 'html', 'json-summary']) reports.create(reporter).execute(context);
const { pct } = map.getCoverageSummary().lines;
if (pct < LEAST_PERCENT) {
  console.error(`${pct} % of lines are reached; ${LEAST_PERCENT} are asked for.`);
  process.exitCode = 1;
}

function run(program, args, env = {}) {
  const { status } = spawnSync(join('node_modules/.bin', program), args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
}
