import { afterEach, describe, expect, it } from '@jest/globals';
import type { Problem } from '../src/domain/errors.js';
import { show } from './kit/commands.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { exchange, type RawAnswer } from './kit/raw-http.js';

const OURS = 'https://ops.example.com';
const BODY = JSON.stringify({ command: 'show', args: { value: 'x' } });

afterEach(stopGateways);

const start = (settings: Record<string, string> = {}) => startGateway({ commands: { show }, settings });

/** Sends what `fetch` would not let a test send: any Host, any Origin. */
async function send(gateway: TestGateway, start: string, headers: Readonly<Record<string, string>>, body = ''): Promise<RawAnswer> {
  const lines = Object.entries({ Host: 'localhost', 'Content-Length': `${body.length}`, Connection: 'close', ...headers });
  return exchange(
    gateway.url,
    `${start} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n${body}`,
    () => false,
  );
}

const run = async (gateway: TestGateway, headers: Readonly<Record<string, string>>) =>
  send(gateway, 'POST /run', { 'X-API-Key': await gateway.key('operator'), 'Content-Type': 'application/json', ...headers }, BODY);

const preflight = (gateway: TestGateway, origin: string, path = '/run') =>
  send(gateway, `OPTIONS ${path}`, {
    Origin: origin,
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'x-api-key, content-type, x-other',
  });

const codeOf = ({ body }: RawAnswer) => (JSON.parse(body) as Problem).code;
const corsOf = ({ headers }: RawAnswer) => Object.keys(headers).filter((name) => name.startsWith('access-control-'));

const STRANGERS = [
  'null',
  'https://evil.test',
  'http://ops.example.com',
  'https://ops.example.com:8443',
  'https://ops.example.com.evil.test',
  'https://evil.test/https://ops.example.com',
  'https://sub.ops.example.com',
  '*',
  'file://',
  'http://localhost.evil.test',
  'https://localhost:1',
];

describe('a page in a browser (H16, T31)', () => {
  it('may not call from another origin, unless that is named: no preflight, no request, no answer that it could read', async () => {
    for (const gateway of [await start(), await start({ CORS_ORIGINS: 'https://other.example.com' })]) {
      for (const origin of [...STRANGERS, OURS]) {
        for (const answer of [
          await preflight(gateway, origin),
          await run(gateway, { Origin: origin }),
          await send(gateway, 'GET /metrics', { Origin: origin }),
        ]) {
          expect([origin, answer.status, codeOf(answer)]).toEqual([origin, 403, 'origin_refused']);
          expect(corsOf(answer)).toEqual([]);
        }
      }
      expect(gateway.launches).toEqual([]);
    }
  });

  it('may call from an origin that is named, with the headers that we know, and without credentials of the browser', async () => {
    const gateway = await start({ CORS_ORIGINS: OURS });
    const allowed = await preflight(gateway, OURS);
    expect(allowed).toMatchObject({ status: 204, body: '' });
    expect(allowed.headers['access-control-allow-origin']).toBe(OURS);
    expect(allowed.headers['access-control-allow-headers']).not.toMatch(/x-other/i);
    expect(allowed.headers['access-control-allow-headers']).toMatch(/X-API-Key/);
    expect(allowed.headers['vary']).toMatch(/Origin/i);
    expect(corsOf(allowed)).not.toContain('access-control-allow-credentials');
    expect(gateway.launches).toEqual([]);
    const answer = await run(gateway, { Origin: OURS });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBe(OURS);
    expect(corsOf(answer)).not.toContain('access-control-allow-credentials');
    for (const origin of STRANGERS) expect([origin, (await run(gateway, { Origin: origin })).status]).toEqual([origin, 403]);
    expect(gateway.launches).toHaveLength(1);
  });

  it('causes no run by a preflight, of whatever address', async () => {
    const gateway = await start({ CORS_ORIGINS: OURS });
    for (const path of ['/run', '/stream', '/batch', '/nope', '*']) await preflight(gateway, OURS, path);
    expect(gateway.launches).toEqual([]);
    expect((await (await gateway.as('admin')).get<{ items: unknown[] }>('/runs')).body.items).toEqual([]);
  });

  it('of our own, like that of the documentation, may call', async () => {
    const gateway = await start();
    for (const [host, origin] of [
      ['localhost:8080', 'http://localhost:8080'],
      ['127.0.0.1', 'http://127.0.0.1'],
      ['localhost:443', 'https://localhost'],
      ['LOCALHOST', 'http://localhost'],
    ] as const)
      expect([origin, (await run(gateway, { Host: host, Origin: origin })).status]).toEqual([origin, 200]);
    expect((await run(gateway, { Host: 'localhost:8080', Origin: 'http://localhost:8081' })).status).toBe(403);
  });

  it('changes nothing by GET (T31)', async () => {
    const gateway = await start();
    const key = { 'X-API-Key': await gateway.key('admin') };
    for (const path of ['/run', '/run?command=show', '/batch', '/stream?text=show', '/runs/x/cancel', '/auth/token'])
      expect([path, (await send(gateway, `GET ${path}`, key)).status]).toEqual([path, 405]);
    expect(gateway.launches).toEqual([]);
  });
});

describe('a name that was pointed at this machine (DNS rebinding, T31)', () => {
  const statusBy = async (gateway: TestGateway, host: string, path = '/metrics') =>
    (await send(gateway, `GET ${path}`, { Host: host })).status;

  it('does not reach a gateway that listens on loopback', async () => {
    const gateway = await start();
    for (const host of [
      'localhost',
      'localhost:80',
      'localhost.',
      'LocalHost',
      'app.localhost',
      '127.0.0.1:8080',
      '127.1.2.3',
      '[::1]',
      '[::1]:8080',
    ])
      expect([host, await statusBy(gateway, host)]).toEqual([host, 200]);
    for (const host of [
      'evil.test',
      'evil.test:8080',
      'localhost.evil.test',
      '127.0.0.1.evil.test',
      '0.0.0.0',
      '10.0.0.1',
      '[::]',
      '[::2]',
      '2130706433',
      '127.1',
    ])
      expect([host, await statusBy(gateway, host)]).toEqual([host, 421]);
    const refused = await run(gateway, { Host: 'evil.test', Origin: 'http://evil.test' });
    expect([refused.status, codeOf(refused)]).toEqual([421, 'host_refused']);
    expect(gateway.launches).toEqual([]);
  });

  it('reaches it when an operator has named it, and through a proxy that is trusted', async () => {
    const named = await start({ ALLOWED_HOSTS: 'ops.example.com, 10.0.0.1' });
    for (const host of ['ops.example.com', 'OPS.example.com:8443', '10.0.0.1:80', 'localhost'])
      expect(await statusBy(named, host)).toBe(200);
    expect(await statusBy(named, 'example.com')).toBe(421);
    const behind = await start({ TRUSTED_PROXIES: '127.0.0.1' });
    expect(await statusBy(behind, 'ops.example.com')).toBe(200);
  });

  it('reaches one that listens elsewhere, unless its operator has named others', async () => {
    expect(await statusBy(await start({ HOST: '0.0.0.0' }), 'ops.example.com')).toBe(200);
    const strict = await start({ HOST: '0.0.0.0', ALLOWED_HOSTS: 'ops.example.com' });
    expect(await statusBy(strict, 'ops.example.com')).toBe(200);
    expect(await statusBy(strict, 'localhost')).toBe(421);
  });
});
