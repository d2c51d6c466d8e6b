import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ErrorCode, Problem } from '../src/domain/errors.js';
import { JSON_LIMITS } from '../src/http/body-parser.js';
import { MAX_ADDRESS_LENGTH } from '../src/http/address.js';
import { MAX_HEADER_BYTES, MAX_HEADERS } from '../src/http/framing.js';
import { command } from './kit/commands.js';
import { type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { exchange } from './kit/raw-http.js';

const BODY_LIMIT = 400_000;
let gateway: TestGateway;
let caller: Caller;

beforeAll(async () => {
  const kept = (param: object) => command({ builtin: 'greet', params: { value: param } });
  gateway = await startGateway({
    commands: {
      any: kept({ type: 'json', optional: true, maxLength: 300_000 }),
      text: kept({ type: 'text', optional: true, maxLength: 5_000 }),
      line: kept({ type: 'string', optional: true, maxLength: 100 }),
      number: kept({ type: 'number', optional: true }),
    },
    settings: { BODY_LIMIT: `${BODY_LIMIT}B` },
  });
  caller = await gateway.as('operator');
});
afterAll(stopGateways);

/** What became of it: `ok`, or the code of the problem, with the place of its first mistake where one is named. */
function verdictOf({ status, body }: { readonly status: number; readonly body: unknown }): string {
  const problem = (typeof body === 'string' && body !== '' ? JSON.parse(body) : body) as Problem;
  if (status < 400) return 'ok';
  return problem.errors ? `${problem.code} at ${problem.errors[0]?.path}` : problem.code;
}

async function post(raw: string | Buffer, path = '/run'): Promise<string> {
  return verdictOf(await caller.request('POST', path, { raw }));
}

const run = (value: string, name = 'any') => `{"command":"${name}","args":{"value":${value}}}`;
const list = (length: number, make: (index: number) => string) => Array.from({ length }, (_, index) => make(index)).join(',');

/** A request of the limit's size, given by how much it is beyond. */
type Sized = (size: number) => Promise<string>;

const raw = async (bytes: string): Promise<string> => verdictOf(await exchange(gateway.url, bytes));
const lines = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n';
const ofLines = (count: number, filler: number) => {
  const others = 'A: b\r\n'.repeat(count);
  return `${lines}${others}X-Filler: ${'x'.repeat(filler)}\r\n\r\n`;
};
const HOST_LINE = 'Host: localhost\r\n'.length;
const FILLER_LINE = 'X-Filler: \r\n'.length;

const LIMITS: readonly (readonly [what: string, limit: number, beyond: ErrorCode | `${ErrorCode} at ${string}`, sized: Sized])[] = [
  ['bytes of a body', BODY_LIMIT, 'payload_too_large', (size) => post(run('"x"').padEnd(size, ' '))],
  [
    'bytes of a chunked body',
    BODY_LIMIT,
    'payload_too_large',
    async (size) => {
      const body = run('"x"').padEnd(size, ' ');
      const head = ['POST /run HTTP/1.1', 'Host: localhost', `X-API-Key: ${caller.key}`, 'Content-Type: application/json'];
      return raw(`${[...head, 'Transfer-Encoding: chunked', '', size.toString(16), body, '0'].join('\r\n')}\r\n\r\n`);
    },
  ],
  ['bytes of headers', MAX_HEADER_BYTES, 'headers_too_large', (size) => raw(ofLines(0, size - HOST_LINE - FILLER_LINE))],
  ['headers', MAX_HEADERS, 'headers_too_large', (size) => raw(ofLines(size - 2, 1))],
  ['bytes of an address', MAX_ADDRESS_LENGTH, 'uri_too_long', async (size) => verdictOf(await caller.get('/livez?'.padEnd(size, 'x')))],
  ['levels of a body', JSON_LIMITS.depth, 'body_too_deep', (size) => post(`${'['.repeat(size)}${']'.repeat(size)}`).then(unread)],
  ['members of an object', JSON_LIMITS.members, 'body_too_wide', (size) => post(run(`{${list(size, (index) => `"${index}":0`)}}`))],
  ['elements of an array', JSON_LIMITS.elements, 'body_too_wide', (size) => post(run(`[${list(size, () => '0')}]`))],
  ['levels of an argument', 32, 'invalid_arguments at args.value', (size) => post(run(`${'['.repeat(size)}${']'.repeat(size)}`))],
  ['characters of a text', 5_000, 'invalid_arguments at args.value', (size) => post(run(`"${'x'.repeat(size)}"`, 'text'))],
  ['characters of a line', 100, 'invalid_arguments at args.value', (size) => post(run(`"${'x'.repeat(size)}"`, 'line'))],
  ['characters of JSON', 300_000, 'invalid_arguments at args.value', (size) => post(run(`"${'x'.repeat(size - 2)}"`))],
  ['characters of a phrase', 1_000, 'invalid_request at text', (size) => post(`{"text":"${'x'.repeat(size)}"}`).then(unknown)],
  ['characters of a name', 64, 'invalid_request at command', (size) => post(`{"command":"${'x'.repeat(size)}"}`).then(unknown)],
  ['items of a batch', 100, 'invalid_request at items', (size) => post(`{"items":[${list(size, () => '{"command":"line"}')}]}`, '/batch')],
  [
    'characters of an idempotency key',
    255,
    'invalid_request at Idempotency-Key',
    async (size) => verdictOf(await caller.post('/run', { command: 'line' }, { 'idempotency-key': 'k'.repeat(size) })),
  ],
];

/** Arrays are no request: that they were read is what is asked here. */
const unread = (verdict: string) => (verdict === 'invalid_request at ' ? 'ok' : verdict);
const unknown = (verdict: string) => (verdict === 'command_unknown' ? 'ok' : verdict);

describe('a limit (H2)', () => {
  it.each(LIMITS)('holds exactly: %s, at most %d, else %s', async (_what, limit, beyond, sized) => {
    expect([await sized(limit - 1), await sized(limit), await sized(limit + 1)]).toEqual(['ok', 'ok', beyond]);
  });

  it('of headers is ours, and not what the server in front of it makes of them', async () => {
    for (const count of [500, 1_999, 2_000, 2_001, 5_000]) expect(await raw(ofLines(count, 1))).toBe('headers_too_large');
    expect(await raw(ofLines(0, 100_000))).toBe('headers_too_large');
  });
});

describe('JSON that readers understand differently (H3)', () => {
  const malformed = 'malformed_request';
  const rows: readonly (readonly [what: string, body: string | Buffer, verdict: string])[] = [
    ['a member twice', '{"command":"any","command":"line"}', malformed],
    ['a member twice, once with an escape', '{"command":"any","\\u0063ommand":"line"}', malformed],
    ['a member twice, deep inside', run('[{"a":[{"b":1,"c":2,"b":1}]}]'), malformed],
    ['the same member in two objects', run('[{"a":1},{"a":1},{"a":{"a":1}}]'), 'ok'],
    ['colons and braces in texts', run('{"a:":"{\\":\\\\","b":"[:"}'), 'ok'],
    ['__proto__', run('{"__proto__":{"a":1}}'), malformed],
    ['__proto__, escaped', run('{"__pr\\u006fto__":{"a":1}}'), malformed],
    ['constructor.prototype', run('{"constructor":{"prototype":{"a":1}}}'), malformed],
    ['a member named constructor', run('{"constructor":1,"toString":2}'), 'ok'],
    ['the largest whole number that all doubles around it can tell', run('9007199254740991', 'number'), 'ok'],
    ['one that no double is', run('9007199254740993', 'number'), malformed],
    ['one that no double is, negative', run('-9007199254740993', 'number'), malformed],
    ['one that no double is, deep inside', run('{"a":[0,9007199254740993]}'), malformed],
    ['a large one that a double is', run('9007199254740992', 'number'), 'ok'],
    ['400 digits', run('1'.repeat(400), 'number'), malformed],
    ['a large one with an exponent, which is a double', run('6.02214076e23', 'number'), 'ok'],
    ['one beyond all doubles', run('1e400', 'number'), malformed],
    ['one beyond all doubles, negative', run('-1e400'), malformed],
    ['one below all doubles, which is 0', run('1e-400', 'number'), 'ok'],
    ['digits in a text', run('"9007199254740993"'), 'ok'],
    ['half a surrogate pair in a line', run('"\\ud800"', 'line'), 'invalid_arguments at args.value'],
    ['half a surrogate pair in a text', run('"a\\udc00b"', 'text'), 'invalid_arguments at args.value'],
    ['half a surrogate pair in JSON, which stays an escape', run('"\\ud800"'), 'ok'],
    ['half a surrogate pair in a name', '{"command":"\\ud800"}', 'command_unknown'],
    ['invalid UTF-8', Buffer.from([...Buffer.from('{"command":"'), 0xc3, 0x28, ...Buffer.from('"}')]), malformed],
    ['a byte order mark', `\ufeff${run('1')}`, malformed],
    ['NaN', run('NaN'), malformed],
    ['Infinity', run('-Infinity'), malformed],
    ['a plus sign', run('+1'), malformed],
    ['a leading zero', run('01'), malformed],
    ['hexadecimal', run('0x10'), malformed],
    ['single quotes', run("'a'"), malformed],
    ['a trailing comma', run('[1,]'), malformed],
    ['a comment', run('1/*a*/'), malformed],
    ['two values', `${run('1')} ${run('1')}`, malformed],
    ['a raw control character', run('"a\u0001b"'), malformed],
    ['a half escape', run('"\\u12"'), malformed],
    ['white space of every kind around it', ` \t\r\n${run('1')}\n\r\t `, 'ok'],
    ['white space that JSON does not know', `\u00a0${run('1')}`, malformed],
  ];

  it.each(rows)('has one meaning, or is refused: %s', async (_what, body, verdict) => {
    expect(await post(body)).toBe(verdict);
  });

  it('changes no number on the way in', async () => {
    for (const text of ['9007199254740992', '1e21', '0.1', '5e-324', '123456789012345.6']) {
      const { body } = await caller.request<{ args: unknown }>('POST', '/run', { raw: run(text) });
      expect(body.args).toEqual({ value: Number(text) });
    }
  });

  it('pollutes no prototype', async () => {
    await post(run('{"__proto__":{"polluted":1}}'));
    await post('{"__proto__":{"polluted":1},"command":"any"}');
    await post('{"items":[{"constructor":{"prototype":{"polluted":1}}}]}', '/batch');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('is never a fault of ours, whatever it is', async () => {
    const doors = ['/run', '/batch', '/stream'] as const;
    const json = fc.json({ maxDepth: 6 });
    const cut = fc.tuple(json, fc.nat(80)).map(([text, at]) => text.slice(0, at));
    const shaped = fc.tuple(fc.constantFrom('any', 'line', 'number'), json).map(([name, value]) => run(value, name));
    const bytes = fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...doors), fc.oneof(json, cut, shaped, bytes), async (door, body) => {
        const { status } = await caller.request('POST', door, { raw: body });
        expect([200, 400, 404]).toContain(status);
      }),
      { numRuns: 300 },
    );
  });
});
