import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { command, witness } from './kit/commands.js';
import { makeCertificate, type TestCertificate } from './kit/certificate.js';
import { eventually } from './kit/eventually.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { programHome, removeHomes } from './kit/program.js';
import { RawConnection } from './kit/raw-connection.js';
import { parseScrape } from './kit/scrape.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-tls-'));
const [certFile, keyFile, marks] = [join(folder, 'cert.pem'), join(folder, 'key.pem'), join(folder, 'marks')];
const settings = { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile };
const BODY = JSON.stringify({ command: 'witness' });
let first: TestCertificate;
let sockets: TLSSocket[] = [];

beforeAll(() => use((first = makeCertificate())));
afterEach(async () => {
  sockets.forEach((socket) => socket.destroy());
  sockets = [];
  await stopGateways();
  await removeHomes();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Puts the files in place as secrets are mounted: both at once where `atOnce`, by a swapped link. */
function use({ cert, key }: TestCertificate): void {
  for (const [file, pem] of [
    [certFile, cert],
    [keyFile, key],
  ] as const) {
    writeFileSync(`${file}.new`, pem);
    renameSync(`${file}.new`, file);
  }
}

const portOf = (gateway: TestGateway) => Number(new URL(gateway.url).port);

/** Shakes hands; gives the socket, or the code of the alert. */
async function shake(port: number, options: ConnectionOptions): Promise<TLSSocket | string> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: [first.cert], rejectUnauthorized: false, ...options });
  sockets.push(socket);
  try {
    await once(socket, 'secureConnect');
    return socket;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}

interface SecureAnswer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

async function ask(port: number, options: RequestOptions, body = ''): Promise<SecureAnswer> {
  const asked = request({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: [first.cert],
    ...options,
    headers: { host: 'localhost', ...options.headers },
  });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

describe('TLS (H15)', () => {
  it('is spoken from version 1.2 on, with suites that keep secrets for good', async () => {
    const port = portOf(await startGateway({ settings }));
    const old = { minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    const only12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
    const table: readonly (readonly [ConnectionOptions, string | RegExp])[] = [
      [{ ...old, maxVersion: 'TLSv1' }, /^ERR_SSL_(TLSV1_ALERT_PROTOCOL_VERSION|NO_PROTOCOLS_AVAILABLE)$/],
      [{ ...old, maxVersion: 'TLSv1.1' }, /^ERR_SSL_(TLSV1_ALERT_PROTOCOL_VERSION|NO_PROTOCOLS_AVAILABLE)$/],
      [only12, 'TLSv1.2'],
      [{ minVersion: 'TLSv1.3' }, 'TLSv1.3'],
      ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305'].map(
        (ciphers) => [{ ...only12, ciphers }, 'TLSv1.2'] as const,
      ),
      ...['ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384', 'aNULL:@SECLEVEL=0'].map(
        (ciphers) => [{ ...only12, ciphers }, /^ERR_SSL_/] as const,
      ),
    ];
    await shakeAll(port, table);
  });

  it('leaves out what of RSA keeps no secrets for good', async () => {
    const rsa = makeCertificate(1, 'rsa');
    const files = { TLS_CERT_FILE: join(folder, 'rsa.pem'), TLS_KEY_FILE: join(folder, 'rsa-key.pem') };
    writeFileSync(files.TLS_CERT_FILE, rsa.cert);
    writeFileSync(files.TLS_KEY_FILE, rsa.key);
    const port = portOf(await startGateway({ settings: files }));
    const only12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
    await shakeAll(port, [
      ...['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'].map(
        (ciphers) => [{ ...only12, ciphers }, 'TLSv1.2'] as const,
      ),
      // Without forward secrecy, without authenticated encryption, or both.
      ...['AES128-GCM-SHA256', 'AES128-SHA', 'ECDHE-RSA-AES128-SHA', 'ECDHE-RSA-AES256-SHA384'].map(
        (ciphers) => [{ ...only12, ciphers }, /^ERR_SSL_/] as const,
      ),
    ]);
  });

  async function shakeAll(port: number, table: readonly (readonly [ConnectionOptions, string | RegExp])[]): Promise<void> {
    for (const [options, expected] of table) {
      const socket = await shake(port, options).catch((error: NodeJS.ErrnoException) => error.code ?? '');
      expect([options, typeof socket === 'string' ? socket : socket.getProtocol()]).toEqual([
        options,
        typeof expected === 'string' ? expected : expect.stringMatching(expected),
      ]);
    }
  }

  it('carries requests, and tells browsers to ask for nothing else', async () => {
    const gateway = await startGateway({ commands: { witness: witness(marks) }, settings });
    const headers = { 'x-api-key': await gateway.key('operator'), 'content-type': 'application/json' };
    const ran = await ask(portOf(gateway), { method: 'POST', path: '/run', headers }, BODY);
    expect(ran).toMatchObject({ status: 200, headers: { 'strict-transport-security': 'max-age=31536000' } });
    expect(JSON.parse(ran.body)).toMatchObject({ status: 'succeeded' });
    const described = await ask(portOf(gateway), { path: '/commands/witness', headers });
    expect(described.body).toContain('https://localhost/run');
    rmSync(marks);
  });

  it('is not told of where there is none', async () => {
    const gateway = await startGateway();
    expect((await gateway.anonymous().get('/livez')).headers.get('strict-transport-security')).toBeNull();
  });

  it('is the only thing spoken on its port: plain HTTP gets no answer, and runs nothing', async () => {
    const gateway = await startGateway({ commands: { witness: witness(marks) }, settings });
    const connection = await RawConnection.open(gateway.url);
    const lines = [
      'POST /run HTTP/1.1',
      'Host: localhost',
      `X-API-Key: ${await gateway.key('operator')}`,
      'Content-Type: application/json',
    ];
    connection.send(`${[...lines, `Content-Length: ${BODY.length}`].join('\r\n')}\r\n\r\n${BODY}`);
    await connection.closed;
    expect(connection.received).not.toContain('HTTP/');
    expect(gateway.launches).toEqual([]);
    expect(existsSync(marks)).toBe(false);
    expect((await ask(portOf(gateway), { path: '/livez' })).status).toBe(200);
  });

  it('takes a new certificate while requests are under way, and cuts none of them', async () => {
    use(first);
    const slow = command({
      script: { interpreter: 'sh', text: 'while [ ! -e "$1" ]; do sleep 0.05; done; echo done', args: [join(folder, 'go')] },
    });
    const log: string[] = [];
    const gateway = await startGateway({
      commands: { slow },
      settings: { ...settings, LOG_LEVEL: 'info' },
      onLog: (line) => void log.push(line),
    });
    const port = portOf(gateway);
    const headers = { 'x-api-key': await gateway.key('operator'), 'content-type': 'application/json' };
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const kept = async () => (await ask(port, { path: '/livez', agent })).status;
    expect(await kept()).toBe(200);
    const underWay = ask(port, { method: 'POST', path: '/run', headers }, JSON.stringify({ command: 'slow' }));
    await eventually(() => gateway.launches.length === 1);

    const second = makeCertificate();
    use(second);
    await eventually(() => shown(port, second), 10_000);
    expect(log.join('')).toContain('a new certificate is in use');
    // The first connection is still there, and is of the first certificate: its agent trusts no other.
    expect(await kept()).toBe(200);
    writeFileSync(join(folder, 'go'), '');
    expect(JSON.parse((await underWay).body)).toMatchObject({ status: 'succeeded', stdout: 'done\n' });

    // One that does not fit its key is not taken, and said to be wrong.
    writeFileSync(certFile, first.cert);
    await eventually(() => log.join('').includes('the old certificate stays in use'), 10_000);
    expect(await shown(port, second)).toBe(true);
    rmSync(keyFile);
    symlinkSync(join(folder, 'first-key.pem'), keyFile);
    writeFileSync(join(folder, 'first-key.pem'), first.key);
    await eventually(() => shown(port, first), 10_000);
    agent.destroy();
  });

  async function shown(port: number, { cert }: TestCertificate): Promise<boolean> {
    const socket = await shake(port, {});
    if (typeof socket === 'string') throw new Error(socket);
    const der = socket.getPeerCertificate().raw.toString('base64');
    return cert.replaceAll(/-----.*-----|\s/g, '') === der;
  }

  it('tells in a metric when the certificate in use ends, and nothing where there is none', async () => {
    const gateway = await startGateway({ settings });
    const NAME = 'tls_certificate_expiry_timestamp_seconds';
    const told = async () => parseScrape((await ask(portOf(gateway), { path: '/metrics' })).body).value(NAME, { setting: 'TLS_CERT_FILE' });
    const endOf = ({ cert }: TestCertificate) => Date.parse(new X509Certificate(cert).validTo) / 1000;
    expect(await told()).toBe(endOf(first));
    const next = makeCertificate(30);
    use(next);
    await eventually(async () => (await told()) === endOf(next), 10_000, 100);
    use(first);
    const plain = await startGateway();
    expect((await plain.anonymous().get<string>('/metrics')).body).not.toMatch(new RegExp(`^sallyport_${NAME}`, 'm'));
  });

  it('ends with the program, also while idle connections are open', async () => {
    rmSync(keyFile, { force: true });
    use(first);
    const program = await programHome({ settings }).serve({ HOST: '127.0.0.1' });
    const url = await program.url();
    expect(url).toMatch(/^https:/);
    const port = Number(new URL(url).port);
    const [silent, spoken] = [await shake(port, {}), await shake(port, {})];
    if (typeof silent === 'string' || typeof spoken === 'string') throw new Error('no connection');
    spoken.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(spoken, 'data');
    const half = await RawConnection.open(url.replace('https', 'http'));
    half.send('\x16\x03\x01');
    const since = performance.now();
    expect((await program.end('SIGTERM')).code).toBe(0);
    expect(performance.now() - since).toBeLessThan(5_000);
  });

  it('is refused at the start, in words, when its files are not what they should be', async () => {
    writeFileSync(join(folder, 'noise.pem'), 'noise');
    for (const wrong of [
      { TLS_CERT_FILE: certFile, TLS_KEY_FILE: join(folder, 'missing.pem') },
      { TLS_CERT_FILE: join(folder, 'noise.pem'), TLS_KEY_FILE: keyFile },
      { TLS_CERT_FILE: certFile },
    ]) {
      const { code, stderr } = await programHome({ settings: wrong }).run(['serve']);
      expect(code).toBe(2);
      expect(stderr).toMatch(/TLS_CERT_FILE and TLS_KEY_FILE: expected/);
      expect(stderr).not.toContain('    at ');
    }
  });
});
