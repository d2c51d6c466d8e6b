// A program that rotates the master key of a DATA_DIR and kills itself at a step, for tests of what is left then.
// Arguments: folder, number of the step (from 1) that it does not survive. Prints the steps as it comes to them.
import { Db, type Write } from '../../src/domain/db.js';
import { MasterKeyFile } from '../../src/storage/master-key-file.js';
import { SqliteDb } from '../../src/storage/sqlite/sqlite-db.js';
import { MANAGER, secretRooms } from './secret-rooms.js';

const [folder = '', last = ''] = process.argv.slice(2);
let steps = 0;

function step(name: string): void {
  steps += 1;
  process.stdout.write(`${steps} ${name}\n`);
  if (String(steps) === last) process.kill(process.pid, 'SIGKILL');
}

class MortalKeyFile extends MasterKeyFile {
  override draft(given: Buffer | undefined): Buffer {
    step('before the new key');
    const key = super.draft(given);
    step('after the new key');
    return key;
  }

  override promote(): void {
    step('before the old key goes');
    super.promote();
    step('after the old key went');
  }
}

class MortalDb extends Db {
  override async commit(writes: readonly Write[]): Promise<void> {
    step('before the store changes');
    await db.commit(writes);
    step('after the store changed');
  }
}

const db = new SqliteDb(folder);
await db.start();
await secretRooms(db, new MortalKeyFile(folder), new MortalDb()).rotation.rotate(undefined, MANAGER);
step('done');
await db.stop();
