import { join } from 'node:path';
import { eventually } from './eventually.js';
import { Chronicler, expectSound } from './history.js';
import type { Operation } from './history-checker.js';
import { tracing } from './strace.js';
import { readTrace, TRACED_CALLS, type TraceEvent } from './trace.js';
import { type WitnessHome, witnessHome } from './witness-home.js';

/** A first start on an empty folder, and what a server did to its disk while clients asked for so many runs. */
export async function tracedRuns(alone: number, together: number): Promise<{ home: WitnessHome; events: TraceEvent[] }> {
  const home = witnessHome();
  const file = join(home.folder, 'trace');
  const server = await home.serve({}, tracing(TRACED_CALLS, file));
  const admin = await server.as(home.adminKey);
  const history: Operation[] = [];
  const client = new Chronicler(admin, history);
  for (let run = 0; run < alone; run += 1) await client.run('quick', `alone-${run}`);
  let asked = 0;
  const worker = async () => {
    while (asked < together) {
      asked += 1;
      await client.run('quick', `together-${asked}`, asked % 3 === 0 ? 'async' : 'wait');
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  // The last of those that nobody waited for are still under way.
  await eventually(() => expectSound(history, admin, home.marks), 20_000);
  await server.end('SIGKILL');
  return { home, events: await readTrace(file, home.folder) };
}
