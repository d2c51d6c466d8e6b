import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { HealthDetails } from '../src/health/health-details.js';
import type { Found, RefreshedBase } from '../src/knowledge/knowledge-bases.js';
import { embeddingAsked, embeds, speaks } from './kit/embedding-peer.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { json, refuses, says, startLlm } from './kit/llm-peer.js';
import type { Behaviour, Peer } from './kit/peer.js';
import { parseScrape } from './kit/scrape.js';

const home = mkdtempSync(join(tmpdir(), 'vectors-'));
const BASES = 20;
let base = 0;
let peer: Peer;
let llmSettings: Readonly<Record<string, string>>;
let shared: TestGateway;
let caller: Caller;

const folderOf = (number: number) => join(home, `handbook${number}`);

/** Commands for folder after folder, so that each test has one of its own. */
function commands() {
  const read = { effect: 'read', output: { parse: 'json' } };
  const params = { question: { type: 'string' } };
  const of = (number: number) => {
    const folders = [folderOf(number)];
    return {
      [`search${number}`]: { ...read, summary: 'Searches', knowledge: { folders, search: '{question}', limit: 3 }, params },
      [`answer${number}`]: { ...read, summary: 'Answers', knowledge: { folders, answer: '{question}', limit: 3 }, params },
      [`refresh${number}`]: { ...read, summary: 'Refreshes', knowledge: { folders, refresh: true } },
      [`hurried${number}`]: { ...read, summary: 'Refreshes', knowledge: { folders, refresh: true }, timeout: '300ms' },
    };
  };
  return Object.assign({}, ...Array.from({ length: BASES }, (_, number) => of(number))) as Record<string, Declaration>;
}

const write = (name: string, text: string) => writeFileSync(join(folderOf(base), name), text);
const run = (command: string, args?: Readonly<Record<string, unknown>>) => caller.run(`${command}${base}`, args);
const search = async (question: string) => (await run('search', { question })).parsed as Found;
const refresh = async () => (await run('refresh')).parsed as RefreshedBase;
const knowledgeHealth = async () => JSON.stringify((await caller.get<HealthDetails>('/health/details')).body.services['knowledge']);
/** Texts that the peer was asked to embed since the last time. */
function embedded(): readonly string[] {
  const texts = peer.received.filter(({ url }) => url.endsWith('/embeddings')).flatMap((received) => embeddingAsked(received).input);
  peer.received.length = 0;
  return texts;
}
/** A gateway instead of the one that the tests share. */
async function startAnother(settings: Readonly<Record<string, string>> = {}, dataDir?: string): Promise<TestGateway> {
  const place = dataDir === undefined ? {} : { dataDir };
  const gateway = await startGateway({ commands: commands(), settings: { ...llmSettings, ...settings }, ...place });
  caller = await gateway.as('admin');
  return gateway;
}

beforeAll(async () => {
  for (let number = 0; number < BASES; number++) mkdirSync(folderOf(number));
  const llm = await startLlm();
  ({ peer } = llm);
  llmSettings = { ...llm.settings, LLM_EMBEDDING_MODEL: 'peer-embeddings' };
  shared = await startAnother();
});
beforeEach(async () => {
  base += 1;
  write('start.md', '# First day\n\nEach new colleague gets a notebook.\n');
  write('leave.md', '# Time off\n\n## Rules\n\nAsk for vacation early.\n\n## Sickness\n\nCall the office.\n');
  peer.behave = speaks({ chat: says(['A notebook [1].']), embed: embeds() });
  peer.received.length = 0;
  caller = await shared.as('admin');
  await caller.post('/breakers/knowledge.embeddings/reset');
});
afterAll(async () => {
  await stopGateways();
  await peer.stop();
  rmSync(home, { recursive: true });
});

describe('knowledge with an embedding model', () => {
  it('finds what means the same in other words, and says what found it', async () => {
    expect(await refresh()).toMatchObject({ documents: 2, passages: 3, vectors: 3, embedded: 3, degraded: null });
    const { passages, degraded } = await search('laptop');
    expect(degraded).toBeNull();
    expect(passages).toMatchObject([
      {
        path: `handbook${base}/start.md`,
        heading: 'First day',
        line: 3,
        foundBy: ['meaning'],
        snippet: expect.stringContaining('notebook'),
      },
    ]);
    const both = await search('where is the notebook');
    expect(both.passages[0]).toMatchObject({ heading: 'First day', foundBy: ['words', 'meaning'] });
  });

  it('answers the first question by words, and the next ones by meaning too', async () => {
    expect(await search('vacation')).toMatchObject({
      passages: [{ foundBy: ['words'] }],
      degraded: '3 of 3 passages have no vector yet and are found by their words alone.',
    });
    await eventually(async () => (await search('holiday')).passages.length === 1);
    expect(await search('holiday')).toMatchObject({ passages: [{ heading: 'Time off › Rules', foundBy: ['meaning'] }], degraded: null });
  });

  it('gives what it found by meaning to the model that answers', async () => {
    await refresh();
    expect((await run('answer', { question: 'laptop' })).parsed).toMatchObject({
      answer: 'A notebook [1].',
      citations: [{ number: 1, heading: 'First day' }],
      degraded: null,
    });
  });

  it('embeds what is new, passage by passage, in batches, and tells how far it is', async () => {
    write('many.md', Array.from({ length: 70 }, (_, number) => `## Part ${number}\n\nText of part ${number}.\n`).join('\n'));
    const { stderr } = await run('refresh');
    expect(stderr).toContain('73 of 73 passages embedded\n');
    expect(peer.received.map((received) => embeddingAsked(received).input.length)).toEqual([32, 32, 9]);
    expect(peer.received[0]).toMatchObject({ method: 'POST', url: '/v1/embeddings' });
    expect(embeddingAsked(peer.received[0]!)).toMatchObject({ model: 'peer-embeddings', encoding_format: 'float' });
    peer.received.length = 0;
    // The second part moves down, the first one changes, and the office is gone.
    write('leave.md', '# Time off\n\n## News\n\nThere is none.\n\n## Rules\n\nAsk for vacation early.\n');
    expect(await refresh()).toMatchObject({ changed: 1, vectors: 73, embedded: 1, degraded: null });
    expect(embedded()).toEqual(['Time off › News\n\nThere is none.']);
    expect(await search('holidays')).toMatchObject({ passages: [{ line: 9, foundBy: ['meaning'] }] });
    expect((await search('call the office')).passages.map(({ text }) => text)).not.toContain('Call the office.');
    rmSync(join(folderOf(base), 'start.md'));
    expect(await refresh()).toMatchObject({ removed: 1, vectors: 72, embedded: 0, degraded: null });
    expect(await search('laptop')).toEqual({ question: 'laptop', passages: [], degraded: null });
  });

  it('keeps its vectors over a restart, and makes them anew for another model', async () => {
    const dataDir = join(home, 'data');
    const first = await startAnother({}, dataDir);
    await refresh();
    await first.stop();
    embedded();
    const second = await startAnother({}, dataDir);
    expect(await refresh()).toMatchObject({ vectors: 3, embedded: 0 });
    expect(embedded()).toEqual([]);
    await second.stop();
    peer.behave = embeds(8);
    await startAnother({ LLM_EMBEDDING_MODEL: 'other-embeddings' }, dataDir);
    expect((await search('vacation')).passages[0]?.foundBy).toEqual(['words']);
    expect(await refresh()).toMatchObject({ vectors: 3, degraded: null });
    expect(embedded()).toHaveLength(3);
    expect((await search('holiday')).passages[0]).toMatchObject({ heading: 'Time off › Rules', foundBy: ['meaning'] });
  });

  it('counts what it takes, and says in health that it was reached', async () => {
    const labels = { provider: 'default', model: 'peer-embeddings' };
    const before = parseScrape((await caller.get<string>('/metrics')).body);
    await refresh();
    const after = parseScrape((await caller.get<string>('/metrics')).body);
    const grown = (name: string, more: Record<string, string>) =>
      (after.value(name, { ...labels, ...more }) ?? 0) - (before.value(name, { ...labels, ...more }) ?? 0);
    expect(grown('llm_requests_total', { outcome: 'answered' })).toBe(1);
    expect(grown('llm_tokens_total', { kind: 'input' })).toBe(23);
    const { measured } = (await caller.get<HealthDetails>('/health/details')).body.providers['llm'] ?? {};
    expect(measured).toContainEqual({ name: 'state', of: 'default (embeddings)', value: 'reachable' });
  });

  it('takes the first provider that has such a model', async () => {
    const second = { url: `${peer.url}/second/`, model: 'm2', embeddings: 'e2' };
    await startAnother({ LLM_EMBEDDING_MODEL: '', LLM_PROVIDERS: JSON.stringify({ second }) });
    expect(await refresh()).toMatchObject({ embedded: 3 });
    expect(peer.received[0]).toMatchObject({ url: '/second/embeddings' });
    expect(embeddingAsked(peer.received[0]!).model).toBe('e2');
    expect(peer.received[0]?.headers).not.toHaveProperty('authorization');
  });
});

describe('an embedding provider that is ill', () => {
  const one = (vector: readonly unknown[], index = 0) => ({ object: 'embedding', index, embedding: vector });
  const list =
    (data: readonly object[]): Behaviour =>
    (response) =>
      json(response, 200, { object: 'list', data });
  const breaksOff = (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
    response.write('{"object": "list", "data": [', () => response.destroy());
  };
  const FAULTS: readonly (readonly [string, Behaviour])[] = [
    ['429', refuses(429, { 'retry-after': '0' })],
    ['503', refuses(503)],
    ['an answer that is cut off', breaksOff],
    ['no JSON', (response) => void response.writeHead(200).end('<p>Hello')],
    ['vectors of two lengths', list([one([1, 0]), one([1, 0], 1), one([1], 2)])],
  ];

  it('is asked again, after as long as it says', async () => {
    peer.behave = (response, received) => (peer.received.length < 2 ? refuses(429, { 'retry-after': '1' }) : embeds())(response, received);
    const before = performance.now();
    expect(await refresh()).toMatchObject({ vectors: 3, embedded: 3, degraded: null });
    expect(performance.now() - before).toBeGreaterThan(950);
  });

  it.each(FAULTS)('answers with %s: all is found by words, and by meaning once it is well again', async (_, behave) => {
    let ill = true;
    peer.behave = (response, received) => (ill ? behave : embeds())(response, received);
    const refreshed = await refresh();
    expect(refreshed).toMatchObject({ documents: 2, passages: 3, vectors: 0, embedded: 0 });
    expect(refreshed.degraded).toMatch(/^3 of 3 passages have no vector yet and are found by their words alone\. The embedding provider /);
    expect(refreshed.degraded).not.toContain('Ada');
    expect((await search('vacation')).passages).toMatchObject([{ foundBy: ['words'] }]);
    await eventually(async () => (await knowledgeHealth()).includes('The embedding provider'));
    ill = false;
    await caller.post('/breakers/knowledge.embeddings/reset');
    expect(await refresh()).toMatchObject({ vectors: 3, degraded: null });
    expect((await search('holiday')).passages).toMatchObject([{ foundBy: ['meaning'] }]);
    await eventually(async () => !(await knowledgeHealth()).includes('The embedding provider'));
  });

  it('is left alone by an open breaker, and costs questions nothing then', async () => {
    await refresh();
    peer.behave = refuses(500);
    for (let count = 0; count < 5; count++)
      expect((await search('vacation')).degraded).toBe('Found by words alone. The embedding provider answers with status 500.');
    peer.received.length = 0;
    expect(await search('vacation')).toMatchObject({
      passages: [{ foundBy: ['words'] }],
      degraded: expect.stringContaining('circuit breaker'),
    });
    expect(peer.received).toEqual([]);
    const breaker = (await caller.get<{ items: { name: string; state: string }[] }>('/breakers')).body.items.find(
      ({ name }) => name === 'knowledge.embeddings',
    );
    expect(breaker).toMatchObject({ state: 'open' });
    const seenWith = async (scope: string) => {
      const reader = await shared.as('readonly', [scope]);
      return (await reader.get<{ items: { name: string }[] }>('/breakers')).body.items.map(({ name }) => name);
    };
    expect([await seenWith('knowledge.*'), await seenWith('git.*')]).toEqual([['knowledge.embeddings'], []]);
  });

  it('hangs: a question waits for three seconds at most, a refresh for its own time', async () => {
    await refresh();
    peer.behave = () => undefined;
    const before = performance.now();
    expect(await search('vacation')).toMatchObject({
      passages: [{ foundBy: ['words'] }],
      degraded: 'Found by words alone. The embedding provider cannot be used: the service took too long.',
    });
    expect(performance.now() - before).toBeLessThan(10_000);
    write('more.md', 'Another document.');
    expect(await run('hurried')).toMatchObject({ status: 'timed_out' });
  });

  it('has vectors of another length: once that is a fault of its, twice another model', async () => {
    await refresh();
    peer.behave = embeds(8);
    expect((await search('holiday')).degraded).toContain('of another length than before');
    peer.behave = embeds();
    expect((await search('holiday')).passages).toMatchObject([{ foundBy: ['meaning'] }]);
    embedded();
    peer.behave = embeds(8);
    await search('holiday');
    expect(embedded()).toHaveLength(1);
    await eventually(async () => (await search('holiday')).degraded === null);
    expect(embedded().filter((text) => text !== 'holiday')).toHaveLength(3);
    expect((await search('holiday')).passages).toMatchObject([{ foundBy: ['meaning'] }]);
  });

  it('is not called where the rules for outgoing calls refuse its address', async () => {
    await startAnother({ OUTGOING_PRIVATE_RANGES: '' });
    expect((await refresh()).degraded).toContain('the rules for outgoing calls refuse where it leads');
    expect(peer.received).toEqual([]);
    expect((await search('vacation')).passages).toMatchObject([{ foundBy: ['words'] }]);
  });
});

describe('settings of embeddings', () => {
  it('are refused without a provider', async () => {
    await expect(startGateway({ settings: { LLM_EMBEDDING_MODEL: 'm' } })).rejects.toThrow(
      /LLM_EMBEDDING_MODEL: expected LLM_URL beside it/,
    );
  });
});
