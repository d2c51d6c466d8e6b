import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, describe, expect } from '@jest/globals';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import { type TestCertificate, makeCertificate } from './kit/certificate.js';
import { eventually } from './kit/eventually.js';
import { Caller } from './kit/gateway.js';
import { programHome, removeHomes } from './kit/program.js';
import { closeConnections, RawConnection } from './kit/raw-connection.js';
import { requestText } from './kit/raw-http.js';
import { where } from './kit/where.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-localhost-'));
const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];

afterEach(async () => {
  closeConnections();
  await removeHomes();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hasBoth = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));
const onBoth = where(hasBoth, 'this host has no ::1');
const ADDRESSES = ['127.0.0.1', '::1'] as const;

const health = requestText('GET', '/livez', []);
const open = (address: string, port: number) => RawConnection.open(`http://${address === '::1' ? '[::1]' : address}:${port}`);

function use({ cert, key }: TestCertificate): void {
  for (const [file, pem] of [
    [certFile, cert],
    [keyFile, key],
  ] as const) {
    writeFileSync(`${file}.new`, pem);
    renameSync(`${file}.new`, file);
  }
}

/** The certificate that is shown there, as PEM without its lines. */
async function shownAt(host: string, port: number): Promise<string> {
  const socket = connect({ host, port, servername: 'localhost', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const shown = socket.getPeerCertificate().raw.toString('base64');
  socket.destroy();
  return shown;
}

describe('HOST=localhost', () => {
  onBoth('is one door with two addresses: odd requests, caps and records are the same at both', async () => {
    const home = programHome({ settings: { HOST: 'localhost', CONNECTIONS_PER_ADDRESS: '5', DRAIN_TIMEOUT: '1s' } });
    const program = await home.serve();
    const port = Number(new URL(await program.url()).port);
    for (const address of ADDRESSES) {
      const asked = await open(address, port);
      asked.send(requestText('CONNECT', 'somewhere:443', []));
      expect([address, await asked.has('"code":"not_implemented"')]).toEqual([address, true]);
      const expecting = await open(address, port);
      expecting.send(requestText('GET', '/livez', ['Expect: something']));
      expect([address, await expecting.has('"status":"ok"')]).toEqual([address, true]);
      const broken = await open(address, port);
      broken.send('NONSENSE\r\n\r\n');
      expect([address, await broken.has('"code":"malformed_request"')]).toEqual([address, true]);
      await Promise.all([asked.closed, broken.closed]);
      expecting.destroy();
      const served = async () => {
        const connection = await open(address, port);
        connection.send(health);
        return connection.has('"status":"ok"');
      };
      await eventually(served);
      closeConnections();
      await eventually(async () => {
        const counts = await Promise.all(Array.from({ length: 9 }, served));
        closeConnections();
        return counts.filter(Boolean).length === 5;
      });
    }
    const admin = new Caller(await program.url(), home.adminKey);
    const noted = async () => {
      const { body } = await admin.get<Page<AuditEntry>>('/audit?limit=100');
      return body.items
        .filter(({ action }) => action === 'request.refused')
        .map(({ details }) => [details['code'], details['address']].join(' '));
    };
    await eventually(async () => (await noted()).length >= 4);
    expect((await noted()).sort()).toEqual(
      ['not_implemented', 'malformed_request'].flatMap((code) => ADDRESSES.map((address) => `${code} ${address}`)).sort(),
    );
    const idle = await open('::1', port);
    idle.send(health);
    await idle.has('"status":"ok"');
    const half = await open('::1', port);
    half.send('GET / HT');
    const { code, stdout } = await program.end('SIGTERM');
    expect([code, stdout.includes('did not stop cleanly')]).toEqual([0, false]);
  });

  onBoth('takes a new certificate at both addresses', async () => {
    const first = makeCertificate();
    use(first);
    const home = programHome({ settings: { HOST: 'localhost', TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } });
    const port = Number(new URL(await (await home.serve()).url()).port);
    const der = ({ cert }: TestCertificate) => cert.replaceAll(/-----.*-----|\s/g, '');
    for (const address of ADDRESSES) expect(await shownAt(address, port)).toBe(der(first));
    const second = makeCertificate();
    use(second);
    for (const address of ADDRESSES) await eventually(async () => (await shownAt(address, port)) === der(second), 10_000);
  });

  onBoth('is not served by half: where somebody else has ::1 the start fails, in words', async () => {
    const other = createServer();
    await once(other.listen(0, '::1'), 'listening');
    const { port } = other.address() as { port: number };
    const { code, stderr } = await programHome({ settings: { HOST: 'localhost', PORT: String(port) } }).run(['serve']);
    other.close();
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`Cannot listen on HOST localhost, PORT ${port}: something else listens there already.`),
    ]);
  });
});
