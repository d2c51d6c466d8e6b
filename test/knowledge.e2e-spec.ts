import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { startGateway, stopGateways } from './kit/gateway.js';

interface Answer {
  readonly question: string;
  readonly passages: readonly { readonly path: string; readonly heading: string; readonly line: number; readonly text: string }[];
}

const home = mkdtempSync(join(tmpdir(), 'documents-'));
const folder = join(home, 'handbook');
mkdirSync(folder);

const search = {
  summary: 'Searches',
  knowledge: { folders: [folder], search: '{question}', limit: '{limit}' },
  params: { question: { type: 'string' }, limit: { type: 'integer', min: 1, max: 50, default: 5 } },
  effect: 'read',
  output: { parse: 'json' },
  phrases: ['tell me about {question...}'],
};
const refresh = { summary: 'Refreshes', knowledge: { folders: [folder], refresh: true }, effect: 'read', output: { parse: 'json' } };

afterAll(async () => {
  await stopGateways();
  rmSync(home, { recursive: true });
});

describe('knowledge commands', () => {
  it('answer a question by phrase from the documents that are shipped, and cite what is really there', async () => {
    const gateway = await startGateway();
    const caller = await gateway.as('operator');
    const { body } = await caller.post<RunEnvelope>('/run', { text: 'How do I rotate a key?' });
    expect(body).toMatchObject({ command: 'knowledge.search', status: 'succeeded', args: { question: 'rotate a key' } });
    const { passages } = body.parsed as Answer;
    expect(passages).toHaveLength(5);
    expect(passages[0]?.heading).toMatch(/rotat/i);
    for (const { path, line, text } of passages) {
      const lines = readFileSync(path, 'utf8')
        .split('\n')
        .slice(line - 1);
      expect(lines.join('\n').startsWith(text)).toBe(true);
    }
  });

  it('find what a document says now, once it was read again', async () => {
    writeFileSync(join(folder, 'lunch.md'), '# Lunch\n\nToday there is soup.\n');
    const gateway = await startGateway({ commands: { search, refresh } });
    const caller = await gateway.as('operator');
    const ask = async (question: string) => ((await caller.run('search', { question })).parsed as Answer).passages;
    expect(await ask('soup')).toMatchObject([{ path: 'handbook/lunch.md', heading: 'Lunch', line: 3 }]);
    writeFileSync(join(folder, 'lunch.md'), '# Lunch\n\nThe kitchen serves dumplings today.\n');
    const body = await caller.run('refresh');
    expect(body).toMatchObject({
      status: 'succeeded',
      parsed: { changed: 1, added: 0, removed: 0, documents: 1 },
      stderr: '1 of 1 documents read\n',
    });
    expect(await ask('dumplings')).toHaveLength(1);
    expect(await ask('soup')).toEqual([]);
  });

  it('mask what is secret in a document, as in any output', async () => {
    const token = ['ghp', '_', 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'].join('');
    writeFileSync(join(folder, 'careless.md'), `# Deployment\n\nThe token of the robot is ${token} for now.\n`);
    const gateway = await startGateway({ commands: { search, refresh } });
    const body = await (await gateway.as('operator')).run('search', { question: 'robot' });
    expect(JSON.stringify(body)).toContain('token of the robot');
    expect(JSON.stringify(body)).not.toContain(token);
    rmSync(join(folder, 'careless.md'));
  });

  it('end as failed, without a path of the host, when the folder is gone', async () => {
    const lost = join(home, 'lost');
    mkdirSync(lost);
    const gateway = await startGateway({ commands: { search: { ...search, knowledge: { ...search.knowledge, folders: [lost] } } } });
    rmSync(lost, { recursive: true });
    const body = await (await gateway.as('operator')).run('search', { question: 'anything' });
    expect(body).toMatchObject({ status: 'failed', outcome: { kind: 'exited', code: 1 }, stderr: 'The documents cannot be read.\n' });
    expect(JSON.stringify(body)).not.toContain(home);
  });

  it('are left out with a warning where their folder is not there and they are optional, and else are a mistake', async () => {
    const nowhere = { ...search, knowledge: { ...search.knowledge, folders: [join(home, 'nowhere')] } };
    await expect(startGateway({ commands: { nowhere } })).rejects.toThrow();
    const gateway = await startGateway({ commands: { nowhere: { ...nowhere, optional: true, phrases: [] }, search } });
    const { status } = await (await gateway.as('admin')).request('GET', '/commands/nowhere');
    expect(status).toBe(404);
  });

  it.each([
    ['both a search and a refresh', { ...search, knowledge: { ...search.knowledge, refresh: true } }],
    ['neither', { ...search, knowledge: { folders: [folder] } }],
    ['a question that is no param', { ...search, knowledge: { ...search.knowledge, search: 'question' } }],
    ['a limit without a bound', { ...search, params: { ...search.params, limit: { type: 'integer' } } }],
    ['an environment', { ...search, env: { A: 'b' } }],
    ['an unused param', { ...search, params: { ...search.params, other: { type: 'string' } } }],
    ['another effect', { ...search, effect: 'change' }],
  ])('do not load with %s', async (_, declaration) => {
    await expect(startGateway({ commands: { search: declaration } })).rejects.toThrow();
  });
});
