import { parentPort, workerData } from 'node:worker_threads';
import { SqliteWriter, type GroupResult } from './sqlite-writer.js';
import type { RowWrite } from './row-write.js';
import type { WriteQueries } from './write-queries.js';

/** What the worker starts with. */
export interface WriterData {
  readonly file: string;
  readonly queries: WriteQueries;
}

/** To the worker. */
export type WriterRequest = { readonly kind: 'write'; readonly group: readonly (readonly RowWrite[])[] } | { readonly kind: 'close' };

/** From the worker: `ready` once, then one `result` for each group, in order; `fault` at any time, when nothing more can be written. */
export type WriterReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly result: GroupResult }
  | { readonly kind: 'fault'; readonly reason: string };

/** How often the files are looked at between writes: a fault is noticed also while nobody writes. */
const WATCH_MS = 1_000;

const port = parentPort;
if (!port) throw new Error('This program is the writing thread of the store.');
const { file, queries } = workerData as WriterData;
const writer = new SqliteWriter(file, queries);
const reply = (message: WriterReply) => port.postMessage(message);

port.on('message', (request: WriterRequest) => {
  if (request.kind === 'write') {
    reply({ kind: 'result', result: writer.write(request.group) });
    writer.checkpointIfDue();
  } else {
    writer.close();
    port.close();
  }
});
const watching = setInterval(() => {
  const reason = writer.fault();
  if (reason === undefined) return;
  clearInterval(watching);
  reply({ kind: 'fault', reason });
}, WATCH_MS).unref();
reply({ kind: 'ready' });
