import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { HealthDetails } from '../src/health/health-details.js';
import type { Found, RefreshedBase } from '../src/knowledge/knowledge-bases.js';
import { Chroma, withChroma } from './kit/chroma.js';
import { embeddingAsked, embeds } from './kit/embedding-peer.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { json, startLlm } from './kit/llm-peer.js';
import { Peer } from './kit/peer.js';

interface Collection {
  readonly id: string;
  readonly name: string;
}

const home = mkdtempSync(join(tmpdir(), 'chroma-'));
const BASES = 14;
const MANY = Array.from({ length: 70 }, (_, number) => `## Part ${number}\n\nText of part ${number}.\n`).join('\n');
let base = 0;
let llm: Peer;
let llmSettings: Readonly<Record<string, string>>;
let chroma: Chroma;
let shared: TestGateway;
let caller: Caller;

const folderOf = (number: number) => join(home, `handbook${number}`);

/** Commands for folder after folder, so that each test has one of its own. */
function commands(): Record<string, Declaration> {
  const read = { effect: 'read', output: { parse: 'json' } };
  const of = (number: number) => {
    const folders = [folderOf(number)];
    const params = { question: { type: 'string' } };
    return {
      [`search${number}`]: { ...read, summary: 'Searches', knowledge: { folders, search: '{question}', limit: 3 }, params },
      [`refresh${number}`]: { ...read, summary: 'Refreshes', knowledge: { folders, refresh: true } },
    };
  };
  return Object.assign({}, ...Array.from({ length: BASES }, (_, number) => of(number))) as Record<string, Declaration>;
}

const write = (name: string, text: string) => writeFileSync(join(folderOf(base), name), text);
const search = async (question: string) => (await caller.run(`search${base}`, { question })).parsed as Found;
const refresh = async () => (await caller.run(`refresh${base}`)).parsed as RefreshedBase;
const chromaHealth = async () => (await caller.get<HealthDetails>('/health/details')).body.providers['chroma']?.measured[1];
const collections = () => chroma.ask<readonly Collection[]>('GET', 'collections');
/** Those that were made since. */
const newCollections = async (before: readonly Collection[]) =>
  (await collections()).filter(({ name }) => !before.some((known) => known.name === name));
const closeBreaker = () => caller.post('/breakers/knowledge.chroma/reset');

async function startWith(settings: Readonly<Record<string, string>>): Promise<TestGateway> {
  const gateway = await startGateway({ commands: commands(), settings: { ...llmSettings, ...settings } });
  caller = await gateway.as('admin');
  return gateway;
}

beforeAll(async () => {
  for (let number = 0; number < BASES; number++) mkdirSync(folderOf(number));
  const started = await startLlm(embeds());
  llm = started.peer;
  llmSettings = { ...started.settings, LLM_EMBEDDING_MODEL: 'peer-embeddings' };
});
beforeEach(() => {
  base += 1;
  write('start.md', '# First day\n\nEach new colleague gets a notebook.\n');
  write('leave.md', '# Time off\n\n## Rules\n\nAsk for vacation early.\n\n## Sickness\n\nCall the office.\n');
  llm.behave = embeds();
  llm.received.length = 0;
});
afterAll(async () => {
  await stopGateways();
  await llm.stop();
  rmSync(home, { recursive: true });
});

describe('knowledge with a Chroma server', () => {
  beforeAll(async () => {
    chroma = await Chroma.start(join(home, 'chroma'));
    shared = await startWith({ CHROMA_URL: chroma.url });
  });
  beforeEach(async () => {
    caller = await shared.as('admin');
    await closeBreaker();
  });
  afterAll(() => chroma.kill());

  withChroma('keeps its vectors there, and finds by them what means the same', async () => {
    const before = await collections();
    expect(await refresh()).toMatchObject({ documents: 2, passages: 3, vectors: 3, embedded: 3, degraded: null });
    const [made, ...others] = await newCollections(before);
    expect(others).toEqual([]);
    expect(made?.name).toMatch(/^sallyport-[0-9a-f]{24}$/);
    const kept = await chroma.ask<object>('POST', `collections/${made?.id}/get`, { include: ['documents', 'metadatas'] });
    expect(kept).toMatchObject({
      documents: expect.arrayContaining(['Ask for vacation early.']),
      metadatas: expect.arrayContaining([{ path: `handbook${base}/leave.md`, heading: 'Time off › Rules' }]),
    });
    expect(await search('laptop')).toMatchObject({ passages: [{ heading: 'First day', line: 3, foundBy: ['meaning'] }], degraded: null });
    expect((await search('notebook')).passages[0]).toMatchObject({ heading: 'First day', foundBy: ['words', 'meaning'] });
    expect(await chromaHealth()).toEqual({ name: 'state', value: 'reachable' });
  });

  withChroma('takes in what changes, and forgets what is gone', async () => {
    const before = await collections();
    await refresh();
    llm.received.length = 0;
    write('leave.md', '# Time off\n\n## News\n\nThere is none.\n\n## Rules\n\nAsk for vacation early.\n');
    rmSync(join(folderOf(base), 'start.md'));
    expect(await refresh()).toMatchObject({ changed: 1, removed: 1, vectors: 2, embedded: 1, degraded: null });
    expect(llm.received.flatMap((received) => embeddingAsked(received).input)).toEqual(['Time off › News\n\nThere is none.']);
    const [made] = await newCollections(before);
    expect(await chroma.ask('GET', `collections/${made?.id}/count`)).toBe(2);
    expect((await search('holiday')).passages).toMatchObject([{ line: 9, foundBy: ['meaning'] }]);
    expect((await search('laptop')).passages).toEqual([]);
  });

  withChroma('finds by words while it is away, is left alone by the breaker, and is used again when it is back', async () => {
    await refresh();
    await chroma.kill();
    const told = 'Chroma cannot be used: no connection to the service could be made.';
    expect(await search('vacation')).toMatchObject({ passages: [{ foundBy: ['words'] }], degraded: `Found by words alone. ${told}` });
    await eventually(async () => (await chromaHealth())?.warning === told);
    write('more.md', 'Every wage is paid on Monday.');
    const refreshed = await refresh();
    expect(refreshed).toMatchObject({ added: 1, vectors: 3 });
    expect(refreshed.degraded).toBe(`1 of 4 passages have no vector yet and are found by their words alone. ${told}`);
    await eventually(async () => (await search('wage')).degraded?.includes('circuit breaker "knowledge.chroma" is open') ?? false);
    // What was seen a moment ago is shown again to whoever asks so soon.
    await eventually(async () => {
      const { status, services } = (await caller.get<HealthDetails>('/health/details')).body;
      expect(status).toBe('degraded');
      return services['breakers']?.measured.some(({ of, value }) => of === 'knowledge.chroma' && value === 'open') ?? false;
    });
    await chroma.start();
    await closeBreaker();
    llm.received.length = 0;
    expect(await refresh()).toMatchObject({ vectors: 4, embedded: 1, degraded: null });
    expect((await search('salary')).passages).toMatchObject([{ text: 'Every wage is paid on Monday.', foundBy: ['meaning'] }]);
  });

  withChroma('goes on where it was when the server is killed while it indexes', async () => {
    write('many.md', MANY);
    let batches = 0;
    llm.behave = (response, received) => {
      if (++batches === 2) void chroma.kill().then(() => embeds()(response, received));
      else embeds()(response, received);
    };
    expect(await refresh()).toMatchObject({
      passages: 73,
      vectors: 32,
      degraded: expect.stringMatching(/^41 of 73 passages .* Chroma cannot be used/),
    });
    await chroma.start();
    await closeBreaker();
    expect(await refresh()).toMatchObject({ vectors: 73, embedded: 41, degraded: null });
    expect((await search('laptop')).passages[0]).toMatchObject({ heading: 'First day', foundBy: ['meaning'] });
  });

  withChroma('makes a collection anew that somebody has deleted, or put another in its place', async () => {
    const before = await collections();
    await refresh();
    const [made] = await newCollections(before);
    await chroma.ask('DELETE', `collections/${made?.name}`);
    expect(await search('vacation')).toMatchObject({
      passages: [{ foundBy: ['words'] }],
      degraded: 'Found by words alone. Chroma does not take that for the collection any more, which is opened anew.',
    });
    await eventually(async () => (await search('holiday')).passages.length === 1);
    await chroma.ask('DELETE', `collections/${made?.name}`);
    const other = await chroma.ask<Collection>('POST', 'collections', { name: made?.name });
    const strange = { ids: ['1'], embeddings: [[1, 2]], documents: ['x'], metadatas: [{ path: 'y' }] };
    await chroma.ask('POST', `collections/${other.id}/upsert`, strange);
    await search('vacation');
    await eventually(async () => (await search('holiday')).passages.length === 1);
    expect(await refresh()).toMatchObject({ vectors: 3, degraded: null });
  });

  withChroma('says that there is no such tenant or database', async () => {
    await startWith({ CHROMA_URL: chroma.url, CHROMA_DATABASE: 'nowhere', CHROMA_COLLECTION: 'docs' });
    expect((await refresh()).degraded).toContain('Chroma does not open a collection: is there such a tenant and such a database?');
    expect((await search('vacation')).passages).toMatchObject([{ foundBy: ['words'] }]);
  });

  withChroma('starts without the server, and uses it once it is there', async () => {
    await chroma.kill();
    await startWith({ CHROMA_URL: chroma.url });
    expect((await refresh()).degraded).toContain('Chroma cannot be used');
    expect((await caller.get('/ready')).status).toBe(200);
    await chroma.start();
    await closeBreaker();
    expect(await refresh()).toMatchObject({ vectors: 3, degraded: null });
    expect((await search('laptop')).passages).toMatchObject([{ foundBy: ['meaning'] }]);
  });
});

describe('a Chroma server that is ill', () => {
  const ID = '282a71d0-bbc8-46aa-b7d8-9a6e117ecd4e';
  let peer: Peer;

  beforeAll(async () => {
    peer = await Peer.start((response, { url }) => json(response, 200, url.endsWith('/collections') ? { id: ID } : {}));
    shared = await startWith({ CHROMA_URL: `${peer.url}/below/`, CHROMA_TOKEN: 'peer-token', CHROMA_TENANT: 't', CHROMA_DATABASE: 'd' });
  });
  beforeEach(async () => {
    caller = await shared.as('admin');
    await closeBreaker();
    peer.received.length = 0;
  });
  afterAll(() => peer.stop());

  it('is sent the token, at its own address', async () => {
    expect(await refresh()).toMatchObject({ vectors: 3, degraded: null });
    expect(peer.received[0]).toMatchObject({
      method: 'POST',
      url: '/below/api/v2/tenants/t/databases/d/collections',
      headers: { 'x-chroma-token': 'peer-token', authorization: 'Bearer peer-token' },
    });
    expect(peer.received.at(-1)?.url).toBe(`/below/api/v2/tenants/t/databases/d/collections/${ID}/upsert`);
  });

  it('costs a question two seconds at most when it hangs', async () => {
    await refresh();
    const usual = peer.behave;
    peer.behave = () => undefined;
    const before = performance.now();
    expect(await search('vacation')).toMatchObject({
      passages: [{ foundBy: ['words'] }],
      degraded: 'Found by words alone. Chroma cannot be used: the service took too long.',
    });
    expect(performance.now() - before).toBeLessThan(10_000);
    await eventually(async () => (await chromaHealth())?.warning === 'Chroma does not answer.');
    peer.behave = usual;
  });

  it('is told from one that is well by what it answers', async () => {
    await refresh();
    const degraded = 'Found by words alone. Chroma answers with something else than was asked for.';
    expect(await search('vacation')).toMatchObject({ passages: [{ foundBy: ['words'] }], degraded });
  });
});

describe('settings of Chroma', () => {
  it('are refused where they can have no effect', async () => {
    await expect(startGateway({ settings: { CHROMA_URL: 'http://127.0.0.1:8000' } })).rejects.toThrow(/CHROMA_URL: expected a model/);
    await expect(startGateway({ settings: { CHROMA_TOKEN: 'x' } })).rejects.toThrow(/CHROMA_TOKEN: expected CHROMA_URL/);
    for (const CHROMA_URL of ['ftp://a', 'http://a:b@c', 'http://a?b=c'])
      await expect(startGateway({ settings: { ...llmSettings, CHROMA_URL } })).rejects.toThrow(/CHROMA_URL/);
  });

  it('say in health what is not configured', async () => {
    await startWith({});
    const { providers } = (await caller.get<HealthDetails>('/health/details')).body;
    expect(providers['chroma']).toMatchObject({ status: 'ok', measured: [{ name: 'configured', value: false }] });
  });
});
