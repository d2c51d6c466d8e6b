// A program that commits runs with their intents as fast as it can and says so on stdout, for tests that end it, starve it or
// watch it. Arguments: folder, name for its run ids, commits, commits at one time. Lines: `ack <run id>` or `refused <code>`.
import { GatewayError } from '../../src/domain/errors.js';
import { SqliteDb } from '../../src/storage/sqlite/sqlite-db.js';
import { intent, sampleRun } from './storage.js';

const [folder = '', name = '', commits = '0', concurrency = '1'] = process.argv.slice(2);
const db = new SqliteDb(folder);
await db.start();
let next = 0;

async function commitNext(): Promise<void> {
  next += 1;
  const run = sampleRun({ id: `run_${name}_${String(next).padStart(8, '0')}` });
  try {
    await db.commit(intent(run));
    process.stdout.write(`ack ${run.id}\n`);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    process.stdout.write(`refused ${error.code}\n`);
  }
}

async function commitAll(): Promise<void> {
  while (next < Number(commits)) await commitNext();
}

await Promise.all(Array.from({ length: Number(concurrency) }, commitAll));
await db.stop();
