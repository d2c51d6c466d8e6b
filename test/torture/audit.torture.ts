import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from '@jest/globals';
import type { AuditVerdict } from '../../src/domain/audit.js';
import { chained, EMPTY_CHAIN } from '../../src/storage/sqlite/audit-chain.js';
import { chain, exportOf, flipAll, sampleEntry } from '../kit/audit-log.js';
import { programHome, removeHomes } from '../kit/program.js';
import { withDatabase } from '../kit/storage.js';
import { row, SCALE, type Tally } from '../kit/torture.js';

afterEach(removeHomes);

const LENGTH = 200;
const MANY = Math.round(1_000_000 * SCALE);
const MOST_MIB = 384;

row('D10', 'two verifiers name the entry of each byte that was flipped in a log of 200', async (tried) => {
  const log = exportOf(chain(Array.from({ length: LENGTH }, (_, index) => sampleEntry(index + 1))));
  const { flipped, missed } = await flipAll(log, () => true);
  tried.add('bytes', flipped);
  expect(missed).toEqual([]);
});

row('T59', `a million entries are exported and verified in less than ${MOST_MIB} MiB`, async (tried) => {
  const home = programHome();
  await home.run(['audit', 'verify']);
  withDatabase(home.dataDir, (database) => {
    const insert = database.prepare('insert into audit_entries values (?, ?, ?, ?, ?, ?, ?, ?, ?)');
    let head = EMPTY_CHAIN;
    database.transaction(() => {
      for (let seq = 1; seq <= MANY; seq += 1) {
        const entry = chained(
          [new Date(seq).toISOString(), 'run.intent', 'abcdefghijkl', `run_${seq}`, `req-${seq}`, '{"command":"git.log"}'],
          head,
        );
        insert.run(entry.values);
        head = entry.head;
      }
    })();
  });
  const file = join(home.folder, 'audit.ndjson');
  measure(tried, 'exported', home.folder, `audit export > ${file}`);
  tried.add('MiB of export', Math.round(statSync(file).size / 1024 ** 2));
  for (const [name, args] of [
    ['verified offline', `audit verify --json --file ${file}`],
    ['verified in the store', 'audit verify --json'],
  ] as const) {
    expect(JSON.parse(measure(tried, name, home.folder, args)) as AuditVerdict).toMatchObject({ ok: true, entries: MANY });
  }
});

/** Runs our program under a shell that tells its largest resident size; counts that and the entries a second of processor time. */
function measure(tried: Tally, name: string, folder: string, args: string): string {
  const main = join(import.meta.dirname, '../../src/main.js');
  const { stdout, stderr } = spawnSync(
    'bash',
    ['-c', `"${process.execPath}" --import "${join(import.meta.dirname, '../kit/tells-usage.js')}" "${main}" ${args}`],
    {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1024 ** 2,
      env: { PATH: process.env['PATH'], SANDBOX: 'off' },
    },
  );
  const usage = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as { mib: number; seconds: number };
  tried.add(`entries/s ${name}`, Math.round(MANY / usage.seconds));
  tried.add(`MiB ${name}`, usage.mib);
  expect(usage.mib).toBeLessThan(MOST_MIB);
  return stdout;
}
