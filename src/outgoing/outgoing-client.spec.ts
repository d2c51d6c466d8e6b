import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { gzipSync } from 'node:zlib';
import { callbackify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/kit/eventually.js';
import { Peer } from '../../test/kit/peer.js';
import type { TargetRules } from '../domain/outgoing.js';
import { CallFailure } from './call-failure.js';
import type { CallLimits, OutgoingCall } from './outgoing-call.js';
import { OutgoingClient } from './outgoing-client.js';
import type { Resolve } from './guarded-connector.js';

const LIMITS: CallLimits = { connectMs: 2_000, headersMs: 2_000, idleMs: 2_000, totalMs: 4_000, responseBytes: 65_536, redirects: 0 };
const PUBLIC = { address: '93.184.216.34', family: 4 };
const LOOPBACK = { address: '127.0.0.1', family: 4 };

let peer: Peer;
beforeEach(async () => void (peer = await Peer.start()));
afterEach(() => peer.stop());

describe('where a call leads', () => {
  it('is judged by what its name resolves to, and connected to just that: a name that changes its answer leads nowhere [H17] [T06]', async () => {
    let asked = 0;
    const rebinding = resolving(() => [asked++ === 0 ? PUBLIC : LOOPBACK]);
    const client = clientOf({ rules: { privateRanges: [] }, limits: { connectMs: 200 }, resolve: rebinding });
    // The first answer is judged to be public, and the connection goes there, where nobody answers in time.
    await expect(client.call(callOf(`http://rebind.example:${peer.port}/`))).rejects.toMatchObject({ sent: false });
    expect(asked).toBe(1);
    // From then on the name leads to loopback.
    for (let calls = 0; calls < 5; calls++)
      await expect(client.call(callOf(`http://rebind.example:${peer.port}/`))).rejects.toMatchObject({ fault: 'forbidden', sent: false });
    expect([asked, peer.connections]).toEqual([6, 0]);
  });

  it('is the address that was judged, without a second look-up', async () => {
    let asked = 0;
    const client = clientOf({ resolve: resolving(() => (asked++, [LOOPBACK])) });
    expect(await read(client, callOf(`http://service.example:${peer.port}/`))).toEqual({ status: 200, text: 'ok' });
    expect([asked, peer.connections, peer.received[0]?.headers.host]).toEqual([1, 1, `service.example:${peer.port}`]);
  });

  it('is refused when one address of several is not to be reached [H17]', async () => {
    for (const answer of [
      [PUBLIC, LOOPBACK],
      [LOOPBACK, PUBLIC],
      [{ address: '::ffff:127.0.0.1', family: 6 }],
      [{ address: '::1', family: 6 }],
      [{ address: '64:ff9b::7f00:1', family: 6 }],
      [{ address: '169.254.169.254', family: 4 }],
      [{ address: '0.0.0.0', family: 4 }],
    ]) {
      const client = clientOf({ rules: { privateRanges: [] }, resolve: resolving(() => answer) });
      await expect(client.call(callOf(`http://service.example:${peer.port}/`))).rejects.toMatchObject({ fault: 'forbidden', sent: false });
    }
    expect(peer.connections).toBe(0);
  });

  it('is refused without a look-up when the address as written is not allowed', async () => {
    const resolve = resolving(() => {
      throw new Error('nobody may ask');
    });
    const client = clientOf({ rules: { privateRanges: [], hosts: ['service.example', '127.0.0.1'] }, resolve });
    for (const url of [
      peer.url,
      'http://other.example/',
      'http://service.example:81/',
      'ftp://service.example/',
      'http://a:b@service.example/',
    ])
      await expect(client.call(callOf(url))).rejects.toMatchObject({ fault: 'forbidden', sent: false });
    expect(peer.connections).toBe(0);
  });

  it('is not decided by a proxy of the environment', async () => {
    const before = { ...process.env };
    Object.assign(process.env, { HTTP_PROXY: 'http://127.0.0.1:1', http_proxy: 'http://127.0.0.1:1', NODE_USE_ENV_PROXY: '1' });
    try {
      expect(await read(clientOf(), callOf(peer.url))).toEqual({ status: 200, text: 'ok' });
    } finally {
      process.env = before;
    }
  });
});

describe('a redirect', () => {
  it('is the answer where none is followed', async () => {
    peer.behave = (response) => response.writeHead(302, { location: '/elsewhere' }).end('moved');
    expect(await read(clientOf(), callOf(peer.url))).toEqual({ status: 302, text: 'moved' });
    expect(peer.received).toHaveLength(1);
  });

  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://127.0.0.2:PORT/',
    'http://0x7f.2:PORT/',
    'http://[::1]:PORT/',
    'http://[::ffff:127.0.0.2]:PORT/',
    'http://10.0.0.1/',
    'http://user@127.0.0.1/',
    'file:///etc/passwd',
  ])('to %s is refused [H17] [T06]', async (location) => {
    const inner = await Peer.start(undefined, '127.0.0.2');
    try {
      peer.behave = (response) => response.writeHead(302, { location: location.replace('PORT', String(inner.port)) }).end();
      const client = clientOf({ rules: { ports: [peer.port, inner.port], privateRanges: ['127.0.0.1'] }, limits: { redirects: 3 } });
      await expect(client.call(callOf(peer.url))).rejects.toMatchObject({ fault: 'forbidden', sent: true });
      expect([peer.connections, inner.connections]).toEqual([1, 0]);
    } finally {
      await inner.stop();
    }
  });

  it('is judged by what the name of the next hop resolves to', async () => {
    const inner = await Peer.start();
    peer.behave = (response) => response.writeHead(302, { location: `http://inner.example:${inner.port}/` }).end();
    const client = clientOf({
      rules: { ports: [peer.port, inner.port], privateRanges: ['127.0.0.1'] },
      limits: { redirects: 3 },
      resolve: resolving((name) => [name === 'inner.example' ? { address: '127.0.0.2', family: 4 } : LOOPBACK]),
    });
    await expect(client.call(callOf(`http://service.example:${peer.port}/`))).rejects.toMatchObject({ fault: 'forbidden', sent: true });
    expect(inner.connections).toBe(0);
    await inner.stop();
  });

  it('loops no longer than it may', async () => {
    peer.behave = (response) => response.writeHead(302, { location: '/' }).end();
    await expect(clientOf({ limits: { redirects: 3 } }).call(callOf(peer.url))).rejects.toMatchObject({ fault: 'redirected' });
    expect(peer.received).toHaveLength(4);
  });

  it('takes credentials to no other origin, under whatever name, and no body either', async () => {
    const other = await Peer.start();
    const headers = { authorization: 'Bearer x', cookie: 'a=b', 'x-api-key': 'k', accept: 'text/plain', 'content-type': 'text/plain' };
    const client = clientOf({ rules: { ports: [peer.port, other.port] }, limits: { redirects: 1 } });
    peer.behave = (response) => response.writeHead(302, { location: other.url }).end();
    expect(await read(client, { ...callOf(peer.url), headers })).toEqual({ status: 200, text: 'ok' });
    const kept = Object.keys(other.received[0]?.headers ?? {}).sort();
    expect(kept).toEqual(['accept', 'accept-encoding', 'connection', 'host']);
    peer.behave = (response) => response.writeHead(307, { location: other.url }).end();
    await expect(client.call({ ...callOf(peer.url), headers, method: 'POST', body: 'secret' })).rejects.toMatchObject({
      fault: 'redirected',
    });
    expect(other.received).toHaveLength(1);
    peer.behave = (response, { url }) => (url === '/' ? response.writeHead(307, { location: '/again' }).end() : response.end('again'));
    expect(await read(client, { ...callOf(peer.url), headers, method: 'POST', body: 'mine' })).toEqual({ status: 200, text: 'again' });
    expect(peer.received.at(-1)).toMatchObject({ method: 'POST', body: 'mine', headers: { authorization: 'Bearer x' } });
    await other.stop();
  });

  it.each([
    [303, 'DELETE', 'GET'],
    [302, 'POST', 'GET'],
    [302, 'DELETE', 'DELETE'],
    [308, 'POST', 'POST'],
    [303, 'HEAD', 'HEAD'],
  ])('of %i makes %s into %s', async (status, method, becomes) => {
    peer.behave = (response, { url }) => void (url === '/' ? response.writeHead(status, { location: '/next' }).end() : response.end());
    await read(clientOf({ limits: { redirects: 1 } }), { ...callOf(`${peer.url}/`), method });
    expect(peer.received.map((one) => one.method)).toEqual([method, becomes]);
  });
});

describe('an answer', () => {
  it('comes piece by piece, as server-sent events do', async () => {
    let write: (text: string) => void = () => undefined;
    peer.behave = (response) => {
      write = (text) => void response.write(text);
      write('data: 1\n\n');
    };
    const { body } = await clientOf().call(callOf(peer.url));
    const seen: string[] = [];
    for await (const piece of body) {
      seen.push(piece.toString());
      if (seen.length === 3) break;
      write(`data: ${seen.length + 1}\n\n`);
    }
    expect(seen).toEqual(['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']);
  });

  it.each(['gzip', 'identity'])('ends after as many bytes as it may have, unpacked (%s)', async (packing) => {
    const huge = Buffer.alloc(64 * 1024 ** 2);
    const sent = packing === 'gzip' ? gzipSync(huge) : huge;
    peer.behave = (response) => response.writeHead(200, packing === 'gzip' ? { 'content-encoding': 'gzip' } : {}).end(sent);
    const before = process.memoryUsage().rss;
    const { body } = await clientOf().call(callOf(peer.url));
    let bytes = 0;
    await expect(drain(body, (piece) => (bytes += piece.length))).rejects.toMatchObject({ fault: 'too_large', sent: true });
    expect(bytes).toBe(LIMITS.responseBytes);
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * 1024 ** 2);
  });

  it('is unpacked, also when it is an error or has no body', async () => {
    peer.behave = (response, { method }) =>
      response.writeHead(500, { 'content-encoding': 'gzip' }).end(method === 'HEAD' ? undefined : gzipSync('what went wrong'));
    expect(await read(clientOf(), callOf(peer.url))).toEqual({ status: 500, text: 'what went wrong' });
    expect(await read(clientOf(), { ...callOf(peer.url), method: 'HEAD' })).toEqual({ status: 500, text: '' });
  });

  it('has one of these faults when it is none', async () => {
    const faults: Readonly<Record<string, Peer['behave']>> = {
      cut_off: (response) => {
        response.writeHead(200, { 'content-length': '100' }).write('half');
        setImmediate(() => response.destroy());
      },
      unreadable: (response) => void response.socket?.end('SMTP ready\r\n\r\n'),
      timeout: (response) => void response.writeHead(200).write('and then nothing'),
    };
    for (const [fault, behave] of Object.entries(faults)) {
      peer.behave = behave;
      const client = clientOf({ limits: { idleMs: 300 } });
      await expect(read(client, callOf(peer.url))).rejects.toMatchObject({ fault, sent: true });
    }
    peer.behave = (response) => void response.writeHead(200).write('half', () => response.destroy());
    await expect(read(clientOf(), callOf(peer.url))).rejects.toMatchObject({ fault: 'cut_off', sent: true });
    peer.behave = (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(10_000)).subarray(0, 30));
    await expect(read(clientOf(), callOf(peer.url))).rejects.toMatchObject({ fault: 'cut_off' });
    peer.behave = (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('this is not packed');
    await expect(read(clientOf(), callOf(peer.url))).rejects.toMatchObject({ fault: 'unreadable' });
    peer.behave = (response) => response.writeHead(200, { 'content-encoding': 'compress' }).end('?');
    await expect(read(clientOf(), callOf(peer.url))).rejects.toMatchObject({ fault: 'unreadable' });
  });

  it('that never begins is given up after its time, and after the time of the whole', async () => {
    peer.behave = () => undefined;
    await expect(clientOf({ limits: { headersMs: 200 } }).call(callOf(peer.url))).rejects.toMatchObject({ fault: 'timeout', sent: true });
    await expect(clientOf({ limits: { totalMs: 200 } }).call(callOf(peer.url))).rejects.toMatchObject({ fault: 'timeout', sent: true });
  });

  it('that drips for ever ends with the time of the whole', async () => {
    let gone = false;
    peer.behave = (response) => {
      const drips = setInterval(() => response.write('.'), 20);
      response.on('close', () => {
        clearInterval(drips);
        gone = true;
      });
    };
    await expect(read(clientOf({ limits: { totalMs: 300 } }), callOf(peer.url))).rejects.toMatchObject({ fault: 'timeout', sent: true });
    await eventually(() => gone);
  });

  it('is not waited for when the caller ends the call', async () => {
    peer.behave = () => undefined;
    const ending = new AbortController();
    const call = clientOf().call({ ...callOf(peer.url), signal: ending.signal });
    await eventually(() => peer.received.length === 1);
    ending.abort();
    await expect(call).rejects.toMatchObject({ fault: 'ended', sent: true });
    await expect(clientOf().call({ ...callOf(peer.url), signal: AbortSignal.abort() })).rejects.toMatchObject({
      fault: 'ended',
      sent: false,
    });
  });
});

describe('a service that is not there', () => {
  it('is told from one that cannot be found and from one that does not speak TLS, and nothing of the address is told', async () => {
    const closed = await closedPort();
    const secret = 'hidden-word';
    const failures = [
      clientOf({ rules: { ports: [closed] } }).call(callOf(`http://127.0.0.1:${closed}/${secret}?${secret}`)),
      clientOf({ resolve: resolving(() => unknownName(secret)) }).call(callOf(`http://${secret}.example/`)),
      clientOf({ rules: { schemes: ['https'] } }).call(callOf(`https://127.0.0.1:${peer.port}/${secret}`)),
    ].map((call) => call.then(() => undefined).catch((error: unknown) => error as CallFailure));
    const seen = await Promise.all(failures);
    expect(seen.map((failure) => [failure?.fault, failure?.sent])).toEqual([
      ['unreachable', false],
      ['unresolved', false],
      ['untrusted', false],
    ]);
    for (const failure of seen) expect(`${failure?.stack} ${JSON.stringify(failure)}`).not.toContain(secret);
  });

  it('that takes the connection and says nothing of TLS is given up after the time to connect', async () => {
    const silent: Server = createServer((socket) => void socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const client = clientOf({ rules: { schemes: ['https'], ports: [port] }, limits: { connectMs: 200 } });
    await expect(client.call(callOf(`https://127.0.0.1:${port}/`))).rejects.toMatchObject({ fault: 'timeout', sent: false });
    silent.close();
  });
});

function clientOf(
  options: { readonly rules?: Partial<TargetRules>; readonly limits?: Partial<CallLimits>; readonly resolve?: Resolve } = {},
): OutgoingClient {
  const rules: TargetRules = {
    schemes: ['http', 'https'],
    hosts: ['*'],
    ports: [peer.port],
    privateRanges: ['127.0.0.0/8'],
    ...options.rules,
  };
  return new OutgoingClient(rules, { ...LIMITS, ...options.limits }, options.resolve);
}

function resolving(answer: (name: string) => LookupAddress[]): Resolve {
  return callbackify((name: string) => new Promise<LookupAddress[]>((resolve) => resolve(answer(name))));
}

function unknownName(message: string): never {
  throw Object.assign(new Error(message), { code: 'ENOTFOUND' });
}

function callOf(url: string): OutgoingCall {
  return { method: 'GET', url, headers: {}, body: null };
}

async function read(client: OutgoingClient, call: OutgoingCall): Promise<{ readonly status: number; readonly text: string }> {
  const { status, body } = await client.call(call);
  const pieces: Buffer[] = [];
  await drain(body, (piece) => pieces.push(piece));
  return { status, text: Buffer.concat(pieces).toString() };
}

async function drain(body: AsyncIterable<Buffer>, take: (piece: Buffer) => void): Promise<void> {
  for await (const piece of body) take(piece);
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
