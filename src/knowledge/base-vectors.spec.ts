import { once } from 'node:events';
import { mkdir, mkdtemp, open as openFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '../domain/errors.js';
import { Embedder, type PassageVector, VectorStore } from '../domain/vectors.js';
import { KnowledgeBases, type Meaning } from './knowledge-bases.js';
import { VectorTable } from './vector-table.js';

const signal = new AbortController().signal;
const quiet = () => undefined;
const down = () => new GatewayError('executor_unavailable', 'It is down.');

/** Each text has a direction of its own length and sum. */
class PlainEmbedder extends Embedder {
  override readonly model = 'plain';
  asked = 0;
  fails: () => boolean = () => false;

  override async embedQuestion(question: string): Promise<Float32Array> {
    return Float32Array.of(question.length, 1);
  }

  override async embedPassages(texts: readonly string[], _until: AbortSignal): Promise<readonly Float32Array[]> {
    this.asked += texts.length;
    if (this.fails()) throw down();
    return texts.map((text) => Float32Array.of(text.length, 1));
  }
}

/** A place outside that may fail before it has done what it was asked for, or after. */
class ShakyStore extends VectorStore {
  readonly kept = new Map<number, string>();
  fails: () => boolean = () => false;
  private lives = 0;

  override async place(): Promise<string> {
    return this.work(() => `life ${this.lives}`);
  }

  override async clear(): Promise<string> {
    return this.work(() => (this.kept.clear(), `life ${++this.lives}`));
  }

  override async put(passages: readonly PassageVector[]): Promise<void> {
    return this.work(() => passages.forEach(({ id, path, text }) => this.kept.set(id, `${path}: ${text}`)));
  }

  override async remove(ids: readonly number[]): Promise<void> {
    return this.work(() => ids.forEach((id) => this.kept.delete(id)));
  }

  override async nearest(): Promise<readonly number[]> {
    return this.work(() => [...this.kept.keys()]);
  }

  /** Somebody wipes it, or puts another in its place. */
  lose(): void {
    this.kept.clear();
    this.lives++;
  }

  private work<T>(done: () => T): T {
    if (this.fails()) throw down();
    const result = done();
    if (this.fails()) throw down();
    return result;
  }
}

async function inFolder(work: (docs: string, open: (meaning: Meaning | null) => KnowledgeBases) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'base-vectors-'));
  const opened: KnowledgeBases[] = [];
  const open = (meaning: Meaning | null) => {
    const bases = new KnowledgeBases(join(home, 'indexes'), meaning);
    opened.push(bases);
    return bases;
  };
  await mkdir(join(home, 'docs'));
  try {
    await work(join(home, 'docs'), open);
  } finally {
    for (const bases of opened) await bases.stop();
    await rm(home, { recursive: true });
  }
}

describe('the vectors of a base', () => {
  it('are those of its passages, whatever changes and whatever fails on the way', async () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant<'write'>('write'),
          name: fc.constantFrom('a', 'b', 'c'),
          parts: fc.array(fc.nat(5), { maxLength: 4 }),
        }),
      },
      { weight: 5, arbitrary: fc.record({ kind: fc.constant<'refresh'>('refresh'), failures: fc.array(fc.boolean(), { maxLength: 12 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom<'lose' | 'restart'>('lose', 'restart') }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await inFolder(async (docs, open) => {
          const [embedder, store] = [new PlainEmbedder(), new ShakyStore()];
          let bases = open({ embedder, storeOf: () => store });
          const folders = [{ folder: docs, name: 'docs' }];
          const texts = new Map<string, readonly number[]>();
          const refresh = async (failures: boolean[]) => {
            embedder.fails = store.fails = () => failures.shift() ?? false;
            return bases.refresh(folders, signal, quiet);
          };
          for (const one of steps) {
            if (one.kind === 'write') {
              texts.set(one.name, one.parts);
              // No two of them have the same size: that would be no change.
              const text = one.parts.map((part) => `## Part\n\nText ${part}.\n`).join('\n') + ' '.repeat(steps.indexOf(one));
              await writeFile(join(docs, `${one.name}.md`), text);
            } else if (one.kind === 'refresh') await refresh([...one.failures]);
            else if (one.kind === 'lose') store.lose();
            else {
              await bases.stop();
              bases = open({ embedder, storeOf: () => store });
            }
          }
          const { vectors, passages, degraded } = await refresh([]);
          expect([vectors, degraded]).toEqual([passages, null]);
          const expected = [...texts].flatMap(([name, parts]) => parts.map((part) => `docs/${name}.md: Text ${part}.`));
          expect([...store.kept.values()].sort()).toEqual(expected.sort());
          embedder.asked = 0;
          expect(await refresh([])).toMatchObject({ embedded: 0, degraded: null });
          expect(embedder.asked).toBe(0);
        });
      }),
      { numRuns: 12 },
    );
  });

  it('are removed also where nobody heard that they had been put', async () => {
    await inFolder(async (docs, open) => {
      const [embedder, store, folders] = [new PlainEmbedder(), new ShakyStore(), [{ folder: docs, name: 'docs' }]];
      const bases = open({ embedder, storeOf: () => store });
      await writeFile(join(docs, 'a.md'), 'alpha');
      store.fails = () => store.kept.size > 0;
      expect(await bases.refresh(folders, signal, quiet)).toMatchObject({ vectors: 0, degraded: expect.stringContaining('It is down.') });
      expect([...store.kept.values()]).toEqual(['docs/a.md: alpha']);
      store.fails = () => false;
      await writeFile(join(docs, 'a.md'), 'something else');
      expect(await bases.refresh(folders, signal, quiet)).toMatchObject({ vectors: 1, degraded: null });
      expect([...store.kept.values()]).toEqual(['docs/a.md: something else']);
    });
  });

  it('never belong to a passage that came while they were made', async () => {
    await inFolder(async (docs, open) => {
      const [embedder, store, folders] = [new PlainEmbedder(), new ShakyStore(), [{ folder: docs, name: 'docs' }]];
      const bases = open({ embedder, storeOf: () => store });
      await writeFile(join(docs, 'a.md'), 'alpha');
      let other: Promise<unknown> | undefined;
      const embed = embedder.embedPassages.bind(embedder);
      embedder.embedPassages = async (texts, until) => {
        const { promise: read, resolve } = Promise.withResolvers<void>();
        await writeFile(join(docs, 'a.md'), 'something else');
        other ??= bases.refresh(folders, signal, ({ step }) => step === 'read' && resolve());
        if (texts.some((text) => text.includes('alpha'))) await read;
        return embed(texts, until);
      };
      await bases.refresh(folders, signal, quiet);
      await other;
      expect([...store.kept.values()]).toEqual(['docs/a.md: something else']);
    });
  });

  it('lead to no other passage while those of what is no more cannot be removed', async () => {
    await inFolder(async (docs, open) => {
      const [embedder, store, folders] = [new PlainEmbedder(), new ShakyStore(), [{ folder: docs, name: 'docs' }]];
      const bases = open({ embedder, storeOf: () => store });
      await writeFile(join(docs, 'a.md'), 'alpha');
      await bases.refresh(folders, signal, quiet);
      store.remove = () => Promise.reject(down());
      await rm(join(docs, 'a.md'));
      expect(await bases.refresh(folders, signal, quiet)).toMatchObject({ removed: 1, vectors: 0 });
      await writeFile(join(docs, 'b.md'), 'something else');
      expect(await bases.refresh(folders, signal, quiet)).toMatchObject({ added: 1, vectors: 0 });
      expect((await bases.search(folders, 'zzzz', 5, signal)).passages).toEqual([]);
    });
  });

  it('are done without where sqlite-vec cannot be loaded', async () => {
    await inFolder(async (docs) => {
      const table = new VectorTable(join(docs, 'vectors.db'), async (database) => void database.loadExtension('/nowhere/vec0'));
      expect(await table.place()).toEqual({ fault: 'sqlite-vec cannot be loaded on this system.' });
      await expect(table.put([{ id: 1, vector: Float32Array.of(1) }])).rejects.toThrow('sqlite-vec');
      await table.close();
    });
    await inFolder(async (docs, open) => {
      await writeFile(join(docs, 'a.md'), 'alpha');
      const store = new ShakyStore();
      store.fails = () => true;
      const [embedder, folders] = [new PlainEmbedder(), [{ folder: docs, name: 'docs' }]];
      const bases = open({ embedder, storeOf: () => store });
      expect(await bases.refresh(folders, signal, quiet)).toMatchObject({
        documents: 1,
        vectors: 0,
        degraded: expect.stringContaining('It is down.'),
      });
      expect(await bases.search(folders, 'alpha', 5, signal)).toMatchObject({
        passages: [{ foundBy: ['words'] }],
        degraded: 'Found by words alone. It is down.',
      });
      expect(bases.states).toEqual([{ of: 'docs', trouble: 'It is down.' }]);
      expect(embedder.asked).toBe(0);
    });
  });

  it('are left as they are while there is no model, and are right again with one', async () => {
    await inFolder(async (docs, open) => {
      const [embedder, folders] = [new PlainEmbedder(), [{ folder: docs, name: 'docs' }]];
      await writeFile(join(docs, 'a.md'), 'alpha');
      await writeFile(join(docs, 'b.md'), 'beta');
      const first = open({ embedder });
      expect(await first.refresh(folders, signal, quiet)).toMatchObject({ vectors: 2, embedded: 2 });
      await first.stop();
      const without = open(null);
      await rm(join(docs, 'a.md'));
      expect(await without.refresh(folders, signal, quiet)).toMatchObject({ removed: 1, vectors: 0, degraded: null });
      expect(await without.search(folders, 'beta', 5, signal)).toMatchObject({ passages: [{ foundBy: ['words'] }], degraded: null });
      await without.stop();
      const again = open({ embedder });
      expect(await again.refresh(folders, signal, quiet)).toMatchObject({ vectors: 1, embedded: 0, degraded: null });
      expect((await again.search(folders, 'zzzz', 5, signal)).passages).toMatchObject([{ path: 'docs/b.md', foundBy: ['meaning'] }]);
    });
  });

  it('are made anew when their file is damaged, at the start and in the middle, and the words stay as they are', async () => {
    await inFolder(async (docs, open) => {
      const [embedder, folders] = [new PlainEmbedder(), [{ folder: docs, name: 'docs' }]];
      await writeFile(join(docs, 'a.md'), 'alpha');
      const indexes = join(docs, '..', 'indexes');
      const damage = async (from: number) => {
        const name = (await readdir(indexes)).find((file) => file.endsWith('.vectors.db')) ?? '';
        const file = await openFile(join(indexes, name), 'r+');
        await file.write('this is no database'.repeat(20_000), from);
        await file.close();
      };
      const first = open({ embedder });
      await first.refresh(folders, signal, quiet);
      await first.stop();
      await damage(0);
      const bases = open({ embedder });
      expect(await bases.refresh(folders, signal, quiet)).toMatchObject({ unchanged: 1, vectors: 1, embedded: 1, degraded: null });
      await bases.stop();
      await damage(65_536);
      const again = open({ embedder });
      const found = await again.search(folders, 'alpha', 5, signal);
      expect(found).toMatchObject({
        passages: [{ foundBy: ['words'] }],
        degraded: expect.stringContaining('The file of the vectors cannot be used.'),
      });
      expect(await again.refresh(folders, signal, quiet)).toMatchObject({ unchanged: 1, vectors: 1, degraded: null });
      expect((await again.search(folders, 'zzzz', 5, signal)).passages).toMatchObject([{ foundBy: ['meaning'] }]);
    });
  });

  it('do not keep a stop waiting', async () => {
    await inFolder(async (docs, open) => {
      const embedder = new PlainEmbedder();
      const { promise: asked, resolve } = Promise.withResolvers<void>();
      embedder.embedPassages = async (_: readonly string[], until: AbortSignal) => {
        resolve();
        await once(until, 'abort');
        throw until.reason;
      };
      await writeFile(join(docs, 'a.md'), 'alpha');
      const bases = open({ embedder });
      const refreshing = bases.refresh([{ folder: docs, name: 'docs' }], signal, quiet);
      const failed = expect(refreshing).rejects.toThrow();
      await asked;
      await bases.stop();
      await failed;
    });
  });
});
