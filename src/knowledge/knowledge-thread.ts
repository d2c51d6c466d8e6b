import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { Progress } from './collection.js';
import type { DocumentFolder } from './documents.js';
import type { KnowledgeReply, KnowledgeRequest, KnowledgeWork, KnowledgeWorkerData, KnowledgeWorkKind } from './knowledge-work.js';

/** Time the thread gets to end what it writes. */
const CLOSE_MS = 5_000;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  readonly onProgress: (progress: Progress) => void;
}

/** What is asked of the thread, and until when. */
export interface KnowledgeAsked<Kind extends KnowledgeWorkKind> {
  readonly folders: readonly DocumentFolder[];
  readonly given: KnowledgeWork[Kind]['given'];
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** The thread that reads, indexes and searches, so that no request waits for that. It is started by the first question. */
export class KnowledgeThread {
  private readonly waiting = new Map<number, Waiting>();
  private starting: Promise<Worker> | undefined;
  private requests = 0;
  private stopped = false;

  /** @param folder where the indexes are kept; made when it is needed */
  constructor(private readonly folder: string) {}

  /** What has begun goes on when the signal is aborted. @throws Error when it fails, and the signal's reason */
  async ask<Kind extends KnowledgeWorkKind>(kind: Kind, asked: KnowledgeAsked<Kind>): Promise<KnowledgeWork[Kind]['result']> {
    const { folders, given, signal, onProgress = () => undefined } = asked;
    signal.throwIfAborted();
    if (this.stopped) throw new Error('The knowledge bases are closed.');
    const worker = await (this.starting ??= this.start());
    signal.throwIfAborted();
    const id = ++this.requests;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    this.waiting.set(id, { resolve, reject, onProgress });
    try {
      worker.postMessage({ id, kind, folders, given } satisfies KnowledgeRequest<Kind>);
      return (await promise) as KnowledgeWork[Kind]['result'];
    } finally {
      this.waiting.delete(id);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** May be called at any time, and again. */
  async stop(): Promise<void> {
    this.stopped = true;
    const worker = await this.starting?.catch(() => undefined);
    if (!worker || worker.threadId === -1) return;
    const gone = once(worker, 'exit');
    const impatience = setTimeout(() => void worker.terminate(), CLOSE_MS);
    worker.postMessage('close');
    await gone;
    clearTimeout(impatience);
  }

  private async start(): Promise<Worker> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const worker = new Worker(new URL('./knowledge.worker.js', import.meta.url), {
      workerData: { folder: this.folder } satisfies KnowledgeWorkerData,
      execArgv: [],
      env: {},
    });
    worker.unref();
    worker.on('message', (reply: KnowledgeReply) => this.take(reply));
    worker.on('error', (error) => this.fail(error));
    worker.on('exit', () => this.fail(new Error('The thread of the knowledge bases ended.')));
    return worker;
  }

  private take(reply: KnowledgeReply): void {
    const waiting = this.waiting.get(reply.id);
    if (reply.kind === 'progress') waiting?.onProgress(reply.progress);
    else if (reply.kind === 'failed') waiting?.reject(new Error(reply.reason));
    else waiting?.resolve(reply.result);
  }

  /** The next question starts another thread. */
  private fail(error: Error): void {
    this.starting = undefined;
    for (const { reject } of this.waiting.values()) reject(error);
  }
}
