import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type ErrorCode, ERRORS, type Problem, problemType } from '../src/domain/errors.js';
import { GatewayError } from '../src/domain/errors.js';
import type { Page } from '../src/domain/audit.js';
import { ROLES, type Role, roleAtLeast } from '../src/domain/principal.js';
import { formatKey, generateKey } from '../src/auth/key-format.js';
import type { RunSummary } from '../src/runs/run-envelope.js';
import { command, show, witness } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { exchange, requestText } from './kit/raw-http.js';

/** Stands in every value that is refused; must never come back. */
const CANARY = 'Canary7Q';
const witnessFile = join(tmpdir(), `sallyport-witness-${process.pid}`);

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({
    commands: {
      witness: witness(witnessFile),
      show,
      typed: command({
        exec: [
          'true',
          ...['{text}', '{count}', '{ratio}', '{flag}', '{kind}', '{path}', '{url}', '{host}', '{time}', '{data}'].map(
            (element) => `--x=${element}`,
          ),
        ],
        params: {
          text: { type: 'string', pattern: '[a-z ]*', optional: true },
          count: { type: 'integer', min: 1, max: 9, optional: true },
          ratio: { type: 'number', optional: true },
          flag: { type: 'boolean', optional: true },
          kind: { type: 'enum', values: ['one', 'two'], optional: true },
          path: { type: 'path', root: '/usr/share', optional: true },
          url: { type: 'url', hosts: ['example.com'], optional: true },
          host: { type: 'hostname', optional: true },
          time: { type: 'duration', max: '1h', optional: true },
          data: { type: 'json', maxLength: 50, optional: true },
        },
      }),
    },
  });
});
afterAll(stopGateways);

/** Whatever the test asked for: nothing ran, and no run was written down. */
let runsBefore: number;
let launchesBefore: number;
beforeEach(async () => {
  rmSync(witnessFile, { force: true });
  [runsBefore, launchesBefore] = [await countRuns(), gateway.launches.length];
});
afterEach(async () => {
  const left = {
    witness: existsSync(witnessFile),
    launches: gateway.launches.length - launchesBefore,
    runs: (await countRuns()) - runsBefore,
  };
  expect(left).toEqual({ witness: false, launches: 0, runs: 0 });
});

async function countRuns(): Promise<number> {
  return (await (await gateway.as('admin')).get<Page<RunSummary>>('/runs?limit=200')).body.items.length;
}

interface Answered {
  readonly status: number;
  readonly headers: { get(name: string): string | null } | Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The answer is a problem as documented, and tells nothing that is not the caller's to know. */
function expectProblem(answer: Answered, code: ErrorCode): Problem {
  const header = (name: string) =>
    answer.headers instanceof Headers ? answer.headers.get(name) : (answer.headers as Record<string, string>)[name];
  const problem = (typeof answer.body === 'string' ? JSON.parse(answer.body) : answer.body) as Problem;
  expect({ status: answer.status, code: problem.code }).toEqual({ status: ERRORS[code].status, code });
  expect(header('content-type')).toMatch(/^application\/problem\+json/);
  expect(problem).toEqual({
    type: problemType(code),
    title: ERRORS[code].title,
    status: ERRORS[code].status,
    code,
    detail: expect.stringMatching(/\S/),
    requestId: header('x-request-id'),
    ...(problem.traceId === undefined ? {} : { traceId: expect.stringMatching(/^[0-9a-f]{32}$/) }),
    ...(problem.errors ? { errors: expect.any(Array) } : {}),
  });
  expect(problem.requestId).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
  const told = JSON.stringify({ ...problem, requestId: '', traceId: '' });
  for (const secret of [CANARY, process.cwd(), gateway.folder, 'node_modules', '/usr', '.js:', 'Error:', '    at ', 'undefined', '[object'])
    expect(told).not.toContain(secret);
  return problem;
}

describe('a request without a valid key', () => {
  const protectedRoutes = () =>
    gateway.server.routes
      .routes()
      .filter(
        ({ mark, method }) =>
          typeof mark?.access === 'string' && mark.access !== 'public' && mark.access !== 'optional' && method !== 'HEAD',
      );

  it('is refused by every route that is not public (T20)', async () => {
    expect(protectedRoutes().length).toBeGreaterThan(15);
    for (const { method, url } of protectedRoutes()) {
      const answer = await gateway.anonymous().request(method, url.replaceAll(/:\w+/g, 'x'));
      expectProblem(answer, 'unauthenticated');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });

  it('is refused with the same words whether the key is unknown, wrong, revoked or expired (T30)', async () => {
    const unknown = generateKey();
    const alive = await gateway.newKey();
    const [revoked, expired] = [await gateway.newKey(), await gateway.newKey({ expiresIn: 1 })];
    expect((await (await gateway.as('admin')).request('DELETE', `/auth/keys/${revoked.slice(4, 16)}`)).status).toBe(204);
    const wrong = formatKey({ id: alive.slice(4, 16), secret: unknown.secret });
    await eventually(async () => (await gateway.with(expired).get('/auth/me')).status === 401);
    const details = new Set<string>();
    for (const key of [unknown.text, wrong, revoked, expired]) {
      for (const headers of [{ 'x-api-key': key }, { authorization: `Bearer ${key}` }] as Record<string, string>[]) {
        const answer = await gateway.anonymous().post('/run', { command: 'witness' }, headers);
        details.add(expectProblem(answer, 'unauthenticated').detail);
      }
    }
    expect(details.size).toBe(1);
    expect((await gateway.with(alive).get('/auth/me')).status).toBe(200);
  });

  it.each([
    ['no key at all', { 'x-api-key': '' }],
    ['text that is no key', { 'x-api-key': CANARY }],
    ['10 kB', { 'x-api-key': CANARY.repeat(1_250) }],
    ['another scheme', { authorization: `Basic ${CANARY}` }],
    ['a bare bearer', { authorization: 'Bearer' }],
  ])('is refused with %s', async (_what, headers) => {
    expectProblem(await gateway.anonymous().post('/run', { command: 'witness' }, headers), 'unauthenticated');
  });

  it('is refused when it names two callers (T27)', async () => {
    const key = await gateway.key('operator');
    const body = JSON.stringify({ command: 'witness' });
    const json = 'Content-Type: application/json';
    for (const [lines, code] of [
      [[`X-API-Key: ${key}`, `X-API-Key: ${key}`], 'malformed_request'],
      [[`Authorization: Bearer ${key}`, `Authorization: Bearer ${key}`], 'malformed_request'],
      [[`X-API-Key: ${key}`, `Authorization: Bearer ${key}`], 'unauthenticated'],
    ] as const) {
      expectProblem(await exchange(gateway.url, requestText('POST', '/run', [json, ...lines], body)), code);
    }
  });

  it('gets no key accepted in a query string', async () => {
    const key = await gateway.key('admin');
    for (const name of ['key', 'api_key', 'x-api-key', 'access_token'])
      expectProblem(await gateway.anonymous().get(`/auth/me?${name}=${key}`), 'unauthenticated');
  });
});

describe('every role at every route (T21, T24)', () => {
  const callers: readonly (Role | 'none')[] = ['none', ...ROLES];

  it.each(callers)('lets %s through where it may, and nowhere else', async (role) => {
    const caller = role === 'none' ? gateway.anonymous() : await gateway.as(role);
    const wrong: string[] = [];
    for (const { method, url, mark } of gateway.server.routes.routes()) {
      const access = mark?.access;
      const needed = access === 'readonly' || access === 'operator' || access === 'admin' ? access : undefined;
      const allowed = needed === undefined || (role !== 'none' && roleAtLeast(role, needed));
      const path = url.replaceAll(/:\w+/g, 'x').replaceAll('*', 'x');
      // The body is for nobody: whoever is let through is refused for it.
      const answer = await caller.request(method, path, ['GET', 'HEAD'].includes(method) ? {} : { body: { [CANARY]: true } });
      const refused = answer.status === 401 || answer.status === 403;
      if (refused === allowed) wrong.push(`${method} ${url} answered ${answer.status}`);
      if (!allowed && method !== 'HEAD') expectProblem(answer, role === 'none' ? 'unauthenticated' : 'forbidden');
    }
    expect(wrong).toEqual([]);
  });

  it('refuses a readonly key before its body is looked at', async () => {
    const readonly = await gateway.as('readonly');
    const item = { command: 'witness' };
    for (const [path, body] of [
      ['/run', item],
      ['/stream', item],
      ['/batch', { items: [item] }],
    ] as const) {
      expectProblem(await readonly.post(path, body), 'forbidden');
      expectProblem(await readonly.post(path, body, { prefer: 'respond-async' }), 'forbidden');
      expectProblem(await readonly.request('POST', path, { raw: '{' }), 'forbidden');
    }
  });
});

describe('arguments that are not as declared', () => {
  const bad: readonly (readonly [what: string, command: string, args: unknown, paths: readonly string[]])[] = [
    ['a missing one (T10)', 'show', {}, ['value']],
    ['an undeclared one (T10)', 'show', { value: 'x', extra: CANARY }, ['extra']],
    ['an undeclared one whose name is a value', 'show', { value: 'x', [`${CANARY} !`]: 1 }, ['?']],
    ['a number for a text', 'show', { value: 7 }, ['value']],
    ['null', 'show', { value: null }, ['value']],
    ['a list', 'show', { value: [CANARY] }, ['value']],
    ['an object', 'show', { value: { toString: CANARY } }, ['value']],
    ['a leading dash (T04)', 'show', { value: `--${CANARY}` }, ['value']],
    ['a NUL (T01)', 'show', { value: `${CANARY}\0` }, ['value']],
    ['a line feed', 'show', { value: `${CANARY}\nb` }, ['value']],
    ['a lone surrogate', 'show', { value: `${CANARY}\ud800` }, ['value']],
    ['200 KiB', 'show', { value: CANARY.repeat(25_600) }, ['value']],
    ['a text outside its pattern', 'typed', { text: CANARY }, ['text']],
    ['a second line behind the pattern (T03)', 'typed', { text: `a\n${CANARY}` }, ['text']],
    ['a number beyond its range', 'typed', { count: 10 }, ['count']],
    ['a fraction for a whole number', 'typed', { count: 1.5 }, ['count']],
    ['digits in quotes', 'typed', { count: '5' }, ['count']],
    ['a negative number where a dash would be an option', 'typed', { ratio: -1 }, ['ratio']],
    ['a word for a boolean', 'typed', { flag: 'true' }, ['flag']],
    ['a value that is none of those listed', 'typed', { kind: CANARY }, ['kind']],
    ['a path out of its folder (T12)', 'typed', { path: `../../etc/${CANARY}` }, ['path']],
    ['an absolute path elsewhere (T12)', 'typed', { path: '/etc/passwd' }, ['path']],
    ['a kernel folder (T12)', 'typed', { path: '/proc/self/environ' }, ['path']],
    ['another host (T06)', 'typed', { url: `https://${CANARY}.test/` }, ['url']],
    ['another scheme (T06)', 'typed', { url: `file:///${CANARY}` }, ['url']],
    ['a password in an address', 'typed', { url: `https://a:${CANARY}@example.com/` }, ['url']],
    ['no host name', 'typed', { host: `${CANARY} ; id` }, ['host']],
    ['no duration', 'typed', { time: CANARY }, ['time']],
    ['a duration beyond its maximum', 'typed', { time: '2h' }, ['time']],
    ['JSON that is too long', 'typed', { data: [CANARY.repeat(10)] }, ['data']],
    ['several mistakes at once', 'typed', { count: CANARY, flag: CANARY, kind: CANARY }, ['count', 'flag', 'kind']],
  ];

  it.each(bad)('refuses %s', async (_what, name, args, paths) => {
    const problem = expectProblem(await (await gateway.as('operator')).post('/run', { command: name, args }), 'invalid_arguments');
    expect(problem.errors?.map(({ path }) => path)).toEqual(paths.map((path) => `args.${path}`));
  });

  it.each([
    ['a list', [1]],
    ['a text', CANARY],
    ['null', null],
    ['a number', 1],
  ])('refuses arguments that are %s', async (_what, args) => {
    expectProblem(await (await gateway.as('operator')).post('/run', { command: 'witness', args }), 'invalid_request');
  });
});

describe('a body that cannot be read', () => {
  const json = { 'content-type': 'application/json' };
  const run = (args: string) => `{"command":"witness","args":${args}}`;
  const bodies: readonly (readonly [what: string, raw: string | Buffer, code: ErrorCode, headers?: Record<string, string>])[] = [
    ['malformed JSON', `{"command":"witness",${CANARY}`, 'malformed_request'],
    ['two documents', `${run('{}')}${run('{}')}`, 'malformed_request'],
    ['JSON with comments', `{"command":"witness"/*${CANARY}*/}`, 'malformed_request'],
    [
      'invalid UTF-8',
      Buffer.concat([Buffer.from('{"command":"witness","args":{"mark":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}}')]),
      'malformed_request',
    ],
    [
      'an overlong NUL',
      Buffer.concat([Buffer.from('{"command":"witness","args":{"mark":"'), Buffer.from([0xc0, 0x80]), Buffer.from('"}}')]),
      'malformed_request',
    ],
    [
      'a surrogate in UTF-8',
      Buffer.concat([Buffer.from('{"command":"witness","args":{"mark":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}}')]),
      'malformed_request',
    ],
    ['a byte order mark', `\ufeff${run('{}')}`, 'malformed_request'],
    ['UTF-16', Buffer.from(run('{}'), 'utf16le'), 'malformed_request'],
    ['a raw NUL', run('{"mark":"\0"}'), 'malformed_request'],
    ['more than 40 levels', run(`${'['.repeat(40)}${']'.repeat(40)}`), 'body_too_deep'],
    ['100,000 levels (T51)', '['.repeat(100_000), 'body_too_deep'],
    ['__proto__ (T08)', run('{"__proto__":{"mark":"x"}}'), 'malformed_request'],
    ['__proto__, escaped (T08)', run('{"\\u005f_proto__":{"mark":"x"}}'), 'malformed_request'],
    ['constructor.prototype (T08)', run('{"constructor":{"prototype":{"mark":"x"}}}'), 'malformed_request'],
    ['2 MiB', run(`{"mark":"${CANARY.repeat(262_144)}"}`), 'payload_too_large'],
    ['nothing', '', 'invalid_request'],
    ['null', 'null', 'invalid_request'],
    ['a text', `"${CANARY}"`, 'invalid_request'],
    ['a list', `[${run('{}')}]`, 'invalid_request'],
    ['an empty object', '{}', 'invalid_request'],
    ['a name and a phrase', `{"command":"witness","text":"${CANARY}"}`, 'invalid_request'],
    ['an unknown field', `{"command":"witness","${CANARY} ":1}`, 'invalid_request'],
    ['a name that is no text', '{"command":{"$ne":""}}', 'invalid_request'],
    ['an empty name', '{"command":""}', 'invalid_request'],
    ['a name of 65 characters', `{"command":"${'w'.repeat(65)}"}`, 'invalid_request'],
    ['a phrase of 1001 characters', `{"text":"${'w'.repeat(1_001)}"}`, 'invalid_request'],
    ['form fields', 'command=witness', 'unsupported_media_type', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', run('{}'), 'unsupported_media_type', { 'content-type': 'text/plain' }],
    ['a multipart form', run('{}'), 'unsupported_media_type', { 'content-type': `multipart/form-data; boundary=${CANARY}` }],
    ['XML', '<run/>', 'unsupported_media_type', { 'content-type': 'application/xml' }],
    ['a type that is none', run('{}'), 'unsupported_media_type', { 'content-type': CANARY }],
    ['a body that claims to be compressed', run('{}'), 'unsupported_media_type', { ...json, 'content-encoding': 'gzip' }],
  ];

  it.each(bodies)('is refused as what it is: %s', async (_what, raw, code, headers = json) => {
    expectProblem(await (await gateway.as('operator')).request('POST', '/run', { raw, headers }), code);
  });

  it('is refused by the other doors alike', async () => {
    const operator = await gateway.as('operator');
    for (const path of ['/batch', '/stream', '/auth/token']) {
      const caller = path === '/auth/token' ? await gateway.as('admin') : operator;
      expectProblem(await caller.request('POST', path, { raw: `{${CANARY}` }), 'malformed_request');
      expectProblem(await caller.request('POST', path, { raw: '{}', headers: { 'content-type': 'text/plain' } }), 'unsupported_media_type');
      const problem = expectProblem(await caller.post(path, { [`${CANARY} `]: 1 }), 'invalid_request');
      expect(problem.errors?.length).toBeGreaterThan(0);
    }
  });
});

describe('an address that leads nowhere', () => {
  it.each([
    '/nope',
    '/run/',
    '//run',
    '/RUN',
    '/run;x=1',
    '/%2frun',
    '/run%00',
    '/runs/../run',
    '/run%2e',
    '/run#x',
    `/${CANARY}/../../etc/passwd`,
  ])('is a 404 or 400, whatever it looks like: %s (T27)', async (path) => {
    const key = await gateway.key('operator');
    const lines = [`X-API-Key: ${key}`, 'Content-Type: application/json'];
    const answer = await exchange(gateway.url, requestText('POST', path, lines, JSON.stringify({ command: 'witness' })));
    expectProblem(answer, answer.status === 400 ? 'malformed_request' : 'not_found');
  });

  it.each([
    ['GET', '/run', 'POST'],
    ['PUT', '/run', 'POST'],
    ['DELETE', '/runs', 'GET, HEAD'],
    ['POST', '/runs/x', 'GET, HEAD'],
    ['PUT', '/auth/keys/x', 'GET, HEAD, PATCH, DELETE'],
    ['OPTIONS', '/run', 'POST'],
  ])('answers %s %s with 405 and the methods it takes', async (method, path, allow) => {
    const answer = await (
      await gateway.as('operator')
    ).request(method, path, { headers: { 'x-http-method-override': 'POST', 'x-method-override': 'POST' } });
    expectProblem(answer, 'method_not_allowed');
    expect(answer.headers.get('allow')?.split(', ').sort()).toEqual(allow.split(', ').sort());
  });

  it('leads to the files of the documentation and to no others', async () => {
    for (const path of [
      '/docs/../../package.json',
      '/docs/..%2f..%2fpackage.json',
      '/docs/%2e%2e/package.json',
      '/docs//etc/passwd',
      '/docs/.git',
    ]) {
      const answer = await exchange(gateway.url, requestText('GET', path, []));
      expect([400, 403, 404]).toContain(answer.status);
      expectProblem(answer, (JSON.parse(answer.body) as Problem).code);
    }
  });

  it('is refused when it cannot be read or is too long', async () => {
    const readonly = await gateway.as('readonly');
    expectProblem(await readonly.get('/runs/%zz'), 'malformed_request');
    expectProblem(await readonly.get(`/runs/${'x'.repeat(2_048)}`), 'uri_too_long');
    expectProblem(await readonly.get(`/runs/${'x'.repeat(65)}`), 'invalid_request');
    expectProblem(await readonly.get(`/commands/${'x'.repeat(128)}`), 'command_unknown');
    expectProblem(await readonly.get(`/runs?${CANARY}+=1`), 'invalid_request');
    expectProblem(await readonly.get(`/runs?limit=${CANARY}`), 'invalid_request');
    expectProblem(await readonly.get('/runs?__proto__[a]=1&constructor=2'), 'invalid_request');
  });

  it('hides what does not exist and what is not yours behind the same answer (T22, T11)', async () => {
    const operator = await gateway.as('operator');
    for (const id of ['run_x', CANARY, '..%2f..%2fetc%2fpasswd', '%00', '%F0%9F%92%A9', '__proto__', 'constructor']) {
      for (const tail of ['', '/output', '/stream']) expectProblem(await operator.get(`/runs/${id}${tail}`), 'run_unknown');
      expectProblem(await operator.post(`/runs/${id}/cancel`), 'run_unknown');
      expectProblem(await operator.get(`/commands/${id}`), 'command_unknown');
      expectProblem(await (await gateway.as('admin')).get(`/auth/keys/${id}`), 'key_unknown');
    }
  });

  it('takes a command name that every object has for what it is: unknown (T08)', async () => {
    const operator = await gateway.as('operator');
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '../witness', 'WITNESS', 'witness ', 'witness\0']) {
      expectProblem(await operator.post('/run', { command: name }), 'command_unknown');
    }
  });
});

describe('bytes that are no HTTP request', () => {
  it.each([
    ['noise', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
    ['a version that is none', 'GET /run HTTP/9.9\r\n\r\n'],
    ['a header without a colon', `GET /health HTTP/1.1\r\nHost: localhost\r\n${CANARY}\r\n\r\n`],
    ['a space before the colon', `GET /health HTTP/1.1\r\nHost: localhost\r\nX-API-Key : ${CANARY}\r\n\r\n`],
    ['two lengths', 'POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['a length and chunks', 'POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a chunk size that is none', 'POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['a negative length', 'POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n'],
    ['a NUL in a header', 'GET /health HTTP/1.1\r\nHost: localhost\r\nX-Y: a\0b\r\n\r\n'],
  ])('get a problem, and the connection ends: %s', async (_what, bytes) => {
    const answer = await exchange(gateway.url, Buffer.from(bytes, 'latin1'));
    expectProblem(answer, 'malformed_request');
    expect(answer.headers['connection']).toBe('close');
  });

  it.each([
    ['headers', 'headers_too_large', `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ${CANARY.repeat(2_500)}\r\n\r\n`],
    ['an address', 'uri_too_long', `GET /${CANARY.repeat(2_500)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ] as const)('are told what is too long when they are 20 kB of %s', async (_what, code, bytes) => {
    expectProblem(await exchange(gateway.url, bytes), code);
  });

  it('cannot forge a request id (T44)', async () => {
    for (const id of ['a b', `${CANARY}"}`, 'x'.repeat(65), '-x', 'ü']) {
      const answer = await gateway.anonymous().get<Problem>('/nope', { 'x-request-id': encodeURI(id) });
      expect(expectProblem(answer, 'not_found').requestId).toMatch(/^req_[0-9a-f]{32}$/);
    }
    const own = await gateway.anonymous().get<Problem>('/nope', { 'x-request-id': 'my-id.1' });
    expect(own.body.requestId).toBe('my-id.1');
  });

  it('leave the gateway as well as it was (T51)', async () => {
    expect((await gateway.anonymous().get('/ready')).status).toBe(200);
    expect((await gateway.anonymous().get<string>('/metrics')).body).toMatch(/^sallyport_errors_total\{code="internal"\} 0$/m);
  });
});

describe('browsers', () => {
  afterEach(async () => {
    await other?.stop();
    other = undefined;
  });
  let other: TestGateway | undefined;

  it('are let in from exact origins only, for the methods we have', async () => {
    other = await startGateway({ commands: { show }, settings: { CORS_ORIGINS: 'https://ops.example.com' } });
    const preflight = (origin: string) =>
      other!.anonymous().request('OPTIONS', '/run', {
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-api-key,content-type' },
      });
    const ours = await preflight('https://ops.example.com');
    expect(ours.status).toBe(204);
    expect(ours.headers.get('access-control-allow-origin')).toBe('https://ops.example.com');
    expect(ours.headers.get('access-control-allow-methods')).toContain('DELETE');
    expect(ours.headers.get('access-control-allow-credentials')).toBeNull();
    for (const origin of ['https://ops.example.com.evil.test', 'http://ops.example.com', 'null'])
      expect((await preflight(origin)).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('do not change what an unknown address or method is answered', async () => {
    other = await startGateway({ commands: { show }, settings: { CORS_ORIGINS: 'https://ops.example.com' } });
    expectProblem(await other.anonymous().get('/nope'), 'not_found');
    const refused = await other.anonymous().get('/run');
    expectProblem(refused, 'method_not_allowed');
    expect(refused.headers.get('allow')).toBe('POST');
  });
});

describe('when nothing can be recorded, nothing runs', () => {
  let other: TestGateway | undefined;
  afterEach(async () => {
    await other?.stop();
    other = undefined;
  });

  it.each(['show', 'greet'])('refuses %s at every door (promise 9)', async (name) => {
    const greet = command({ builtin: 'greet', params: { value: { type: 'string', optional: true } } });
    other = await startGateway({ commands: { show, greet } });
    const operator = await other.as('operator');
    expect((await operator.get('/auth/me')).status).toBe(200);
    const { storage } = other.server.gateway.parts;
    const commit = storage.commit.bind(storage);
    storage.commit = () => Promise.reject(new GatewayError('storage_unavailable', 'The store cannot be written.'));
    const request = { command: name, args: { value: 'x' } };
    expectProblem(await operator.post('/run', request), 'storage_unavailable');
    expectProblem(await operator.post('/run', request, { prefer: 'respond-async' }), 'storage_unavailable');
    expectProblem(await operator.post('/stream', request), 'storage_unavailable');
    expect(await operator.post('/batch', { items: [request] })).toMatchObject({
      body: { items: [{ problem: { code: 'storage_unavailable', status: 503 } }] },
    });
    storage.commit = commit;
    expect(other.launches).toEqual([]);
    expect((await operator.get<Page<RunSummary>>('/runs')).body.items).toEqual([]);
    expect(await operator.run(name, { value: 'x' })).toMatchObject({ status: 'succeeded' });
  });
});
