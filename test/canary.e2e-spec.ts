import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { CANARY_CATALOGUE } from '../src/cli/canary-command.js';
import type { CanaryFindings } from '../src/cli/canary-search.js';
import { Canary } from '../src/cli/canary-search.js';
import { command } from './kit/commands.js';
import { type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';

afterEach(removeHomes);

describe('sallyport doctor --canary --url', () => {
  async function ask(place: ProgramHome, server: Program, key: string) {
    const args = ['doctor', '--canary', '--json', '--url', await server.url()];
    const { code, stdout, stderr } = await place.run(args, { SALLYPORT_KEY: key, ADMIN_KEY: undefined, DATA_DIR: '/nonexistent' });
    return { code, stderr, found: JSON.parse(stdout || '{}') as CanaryFindings & { readonly ok: boolean } };
  }
  const unseenBy = ({ unseen }: CanaryFindings) => unseen.map(({ sink }) => sink);

  it('has a server print a secret, finds it in no answer, and says what it could not look at', async () => {
    const place = programHome();
    place.write('commands/canary.yaml', readFileSync('commands/canary.yaml', 'utf8'));
    const server = await place.serve();
    const { code, stderr, found } = await ask(place, server, place.adminKey);
    expect([code, stderr, found.ok, found.masks]).toEqual([0, '', true, 5]);
    expect(found.sinks.map(({ sink }) => sink)).toEqual(
      expect.arrayContaining(['response', 'stream', 'batch', 'plan', 'history', 'error: arguments', 'audit: ndjson', 'metrics']),
    );
    expect(found.sinks.filter(({ bytes, leaks }) => bytes === 0 || leaks > 0)).toEqual([]);
    expect(unseenBy(found)).toEqual(['log', 'files of DATA_DIR']);
    const operator = await (await server.as(place.adminKey)).post<{ key: string }>('/auth/token', { name: 'operator', role: 'operator' });
    const narrow = (await ask(place, server, operator.body.key)).found;
    expect([narrow.ok, unseenBy(narrow)]).toEqual([true, expect.arrayContaining(['audit: ndjson', 'audit: csv', 'log'])]);
    expect(narrow.unseen[0]?.reason).toBe('the server answered 403 forbidden');
  });

  it('finds it where a server gives it away', async () => {
    const leaks = command({ exec: ['printf', '%s %s', '{canary}', '{canary}'], params: { canary: { type: 'string' } } });
    const place = programHome({ commands: { canary: leaks } });
    const { code, found } = await ask(place, await place.serve(), place.adminKey);
    const leaking = found.sinks.filter((sink) => sink.leaks > 0).map(({ sink }) => sink);
    expect([code, found.ok, found.masks]).toEqual([1, false, 0]);
    expect(leaking).toEqual(
      expect.arrayContaining(['response', 'stream', 'batch', 'plan', 'history', 'history: output', 'history: stream']),
    );
  });

  it('says what a server lacks that has no such command', async () => {
    const place = programHome({ commands: { show: command({ exec: ['true'] }) } });
    expect(await ask(place, await place.serve(), place.adminKey)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('commands/canary.yaml'),
    });
  });
});

describe('the canary', () => {
  it('is the same command here and in the shipped catalogue', () => {
    expect(parse(readFileSync('commands/canary.yaml', 'utf8'))).toEqual(parse(CANARY_CATALOGUE));
  });

  it('is found in pieces, cut anywhere, in each of its encodings', async () => {
    const canary = new Canary();
    for (const text of [canary.text, Buffer.from(canary.text).toString('base64'), Buffer.from(canary.text).toString('hex')]) {
      const bytes = Buffer.from(`${'x'.repeat(3)}${text}${'y'.repeat(300)}`);
      for (let cut = 1; cut < bytes.length; cut += 7) {
        const { leaks } = await canary.search('a sink', [bytes.subarray(0, cut), bytes.subarray(cut)]);
        expect([text, cut, leaks > 0]).toEqual([text, cut, true]);
      }
    }
  });
});
