import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../src/domain/errors.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import { command } from './kit/commands.js';
import { type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';

const KIB = 1024;
const long = { type: 'string', maxLength: 65_536, optional: true };
const NAMES = [...'abcdefghi'];
let gateway: TestGateway;
let caller: Caller;

beforeAll(async () => {
  gateway = await startGateway({
    commands: {
      count: command({
        exec: ['printf', '%s', ...NAMES.map((name) => `{${name}}`)],
        params: Object.fromEntries(NAMES.map((name) => [name, long])),
        limits: { output: '2MiB' },
      }),
      joined: command({ exec: ['printf', '%s', '--option={a}'], params: { a: long } }),
      variable: command({ exec: ['printf', 'set'], env: { VALUE: '{a}' }, params: { a: long } }),
    },
    settings: { BODY_LIMIT: '4MiB' },
  });
  caller = await gateway.as('operator');
});
afterAll(stopGateways);

type Door = (request: Buffer) => Promise<Pick<Problem, 'status' | 'code'>>;

const post = (path: string, raw: Buffer) => caller.request<Problem>('POST', path, { raw });
const verdict = ({ status, code }: Pick<Problem, 'status' | 'code'>) => ({ status, code });

const DOORS: Readonly<Record<string, Door>> = {
  'POST /run': async (request) => verdict((await post('/run', request)).body),
  'POST /stream': async (request) => verdict((await post('/stream', request)).body),
  'POST /batch': async (request) => {
    const body = Buffer.concat([Buffer.from('{"items":['), request, Buffer.from(']}')]);
    const answer = (await post('/batch', body)).body as Problem | { items: BatchItem[] };
    if (!('items' in answer)) return verdict(answer);
    const [item] = answer.items;
    if (!item || !('problem' in item)) throw new Error(`expected a refusal, got ${JSON.stringify(answer).slice(0, 200)}`);
    return verdict(item.problem);
  },
};

/** 2 bytes each, so that as many characters as a param takes are more than a process can be given. */
const wide = (count: number) => 'é'.repeat(count);
const asked = (name: string, args: object) => Buffer.from(JSON.stringify({ command: name, args }));
const around = (bytes: readonly number[]) =>
  Buffer.concat([Buffer.from('{"command":"count","args":{"a":"'), Buffer.from(bytes), Buffer.from('"}}')]);
const eight = Object.fromEntries(NAMES.slice(0, 8).map((name) => [name, wide(65_535)]));

describe('arguments that no process could be given (P12)', () => {
  const cases: readonly (readonly [what: string, request: Buffer, code: string])[] = [
    ['one of 128 KiB', asked('count', { a: wide(64 * KIB) }), 'invalid_arguments'],
    ['one of 128 KiB with the name of its option', asked('joined', { a: wide(64 * KIB - 4) }), 'invalid_arguments'],
    ['a variable of 128 KiB', asked('variable', { a: wide(64 * KIB - 2) }), 'invalid_arguments'],
    ['more than 1 MiB together', asked('count', { ...eight, i: 'x'.repeat(100) }), 'invalid_arguments'],
    ['a NUL', asked('count', { a: 'a\0b' }), 'invalid_arguments'],
    ['a lone surrogate', asked('count', { a: 'a\ud800b' }), 'invalid_arguments'],
    ['the wrong half of a pair', asked('count', { a: '\udc00\ud800' }), 'invalid_arguments'],
    ['a name with a lone surrogate', asked('count', { '\udfff': 'x' }), 'invalid_arguments'],
    ['bytes that are no UTF-8', around([0xff, 0xfe]), 'malformed_request'],
    ['a sequence that is cut off', around([0xe2, 0x82]), 'malformed_request'],
    ['a surrogate in UTF-8', around([0xed, 0xa0, 0x80]), 'malformed_request'],
    ['an overlong slash', around([0xc0, 0xaf]), 'malformed_request'],
    ['a code point beyond the last', around([0xf4, 0x90, 0x80, 0x80]), 'malformed_request'],
  ];

  it.each(cases)('are refused by every door, and nothing is started: %s', async (_what, request, code) => {
    const before = gateway.launches.length;
    for (const [door, send] of Object.entries(DOORS)) expect([door, await send(request)]).toEqual([door, { status: 400, code }]);
    expect(gateway.launches).toHaveLength(before);
  });

  it('are taken up to the last byte', async () => {
    expect((await caller.run('count', { a: `${wide(65_535)}x` })).stdout).toBe(`${wide(65_535)}x`);
    expect((await caller.run('joined', { a: wide(64 * KIB - 5) })).stdout).toBe(`--option=${wide(64 * KIB - 5)}`);
    const most = { ...eight, h: 'x'.repeat(60_000) };
    expect((await caller.run('count', most)).stdout).toBe(Object.values(most).join(''));
  });
});
