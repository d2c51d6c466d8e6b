import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Collection, type Progress } from './collection.js';
import type { DocumentFolder } from './documents.js';
import {
  baseNameOf,
  type KnowledgeReply,
  type KnowledgeRequest,
  type KnowledgeWork,
  type KnowledgeWorkerData,
  type KnowledgeWorkKind,
} from './knowledge-work.js';

const port = parentPort;
if (!port) throw new Error('This program is the thread of the knowledge bases.');
const { folder } = workerData as KnowledgeWorkerData;
const collections = new Map<string, Collection>();

type Way<Kind extends KnowledgeWorkKind> = (
  collection: Collection,
  given: KnowledgeWork[Kind]['given'],
  onProgress: (progress: Progress) => void,
) => KnowledgeWork[Kind]['result'] | Promise<KnowledgeWork[Kind]['result']>;

const WAYS: { readonly [Kind in KnowledgeWorkKind]: Way<Kind> } = {
  search: (collection, { question, limit, near }) => collection.search(question, limit, near),
  refresh: (collection, _, onProgress) => collection.refresh(onProgress),
  'vectors.space': ({ ledger }) => ledger.space,
  'vectors.state': (collection) => collection.vectorState(),
  'vectors.adopt': ({ ledger }, { space }) => ledger.adopt(space),
  'vectors.owed': (collection, { after }) => collection.owed(after),
  'vectors.settle': ({ ledger }, settled) => ledger.settle(settled),
  'table.place': ({ table }) => table.place(),
  'table.clear': ({ table }) => table.clear(),
  'table.put': ({ table }, { passages }) => table.put(passages),
  'table.remove': ({ table }, { ids }) => table.remove(ids),
  'table.nearest': ({ table }, { vector, limit }) => table.nearest(vector, limit),
};

function collectionOf(folders: readonly DocumentFolder[]): Collection {
  const name = baseNameOf(folders);
  const known = collections.get(name);
  if (known) return known;
  const collection = new Collection(folders, join(folder, name));
  collections.set(name, collection);
  return collection;
}

async function answerTo<Kind extends KnowledgeWorkKind>({ id, kind, folders, given }: KnowledgeRequest<Kind>): Promise<KnowledgeReply> {
  try {
    const way: Way<Kind> = WAYS[kind];
    const result = await way(collectionOf(folders), given, (progress) => port?.postMessage({ kind: 'progress', id, progress }));
    return { kind: 'done', id, result };
  } catch (error) {
    return { kind: 'failed', id, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function close(): Promise<void> {
  await Promise.all([...collections.values()].map((collection) => collection.close()));
  port?.close();
}

port.on('message', (request: KnowledgeRequest | 'close') => {
  if (request === 'close') void close();
  else void answerTo(request).then((reply) => port.postMessage(reply));
});
