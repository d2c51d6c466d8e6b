import { afterEach, describe, expect, it } from '@jest/globals';
import { show } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { closeConnections, RawConnection } from './kit/raw-connection.js';
import { requestText } from './kit/raw-http.js';
import { parseScrape } from './kit/scrape.js';

afterEach(async () => {
  closeConnections();
  await stopGateways();
});

const health = requestText('GET', '/health', []);

/** Opens a connection and asks; false when it was closed instead of answered. */
async function isServed(gateway: TestGateway, localAddress?: string): Promise<boolean> {
  const connection = await RawConnection.open(gateway.url, localAddress);
  connection.send(health);
  return connection.has('"status":"ok"');
}

async function areServed(gateway: TestGateway, count: number, localAddress?: string): Promise<number> {
  const served = await Promise.all(Array.from({ length: count }, () => isServed(gateway, localAddress)));
  return served.filter(Boolean).length;
}

async function refused(gateway: TestGateway): Promise<number> {
  const { body } = await gateway.anonymous().get<string>('/metrics');
  return parseScrape(body).value('connections_refused_total');
}

describe('connections of one address', () => {
  it('are closed unread beyond its share, and nobody else’s are', async () => {
    const gateway = await startGateway({ settings: { CONNECTIONS_PER_ADDRESS: '20' } });
    expect(await areServed(gateway, 50, '127.0.0.2')).toBe(20);
    expect(await areServed(gateway, 19, '127.0.0.3')).toBe(19);
    expect(await refused(gateway)).toBe(30);
  });

  it('make room for others when they end', async () => {
    const gateway = await startGateway({ settings: { CONNECTIONS_PER_ADDRESS: '3' } });
    expect(await areServed(gateway, 9, '127.0.0.2')).toBe(3);
    closeConnections();
    await eventually(() => isServed(gateway, '127.0.0.2'));
    expect(await areServed(gateway, 9, '127.0.0.2')).toBe(2);
  });

  it('of a trusted proxy are as many as it wants, and so are all where there is no cap', async () => {
    const proxied = await startGateway({ settings: { CONNECTIONS_PER_ADDRESS: '3', TRUSTED_PROXIES: '10.0.0.1, 127.0.0.2/31, ::1' } });
    expect(await areServed(proxied, 9, '127.0.0.3')).toBe(9);
    expect(await areServed(proxied, 9, '127.0.0.4')).toBe(3);
    const open = await startGateway({ settings: { CONNECTIONS_PER_ADDRESS: '0' } });
    expect(await areServed(open, 600)).toBe(600);
  });
});

describe('clients that hold on to connections', () => {
  it('hold nobody up: 1,000 that say nothing more, and 200 that never finish asking, which are told so (H4)', async () => {
    const gateway = await startGateway({ commands: { show } });
    expect(await areServed(gateway, 1_000)).toBe(1_000);
    const slow = await Promise.all(Array.from({ length: 200 }, () => RawConnection.open(gateway.url)));
    const bytes = `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ${'x'.repeat(2_000)}`;
    let sent = 0;
    const dripping = setInterval(() => (slow.forEach((connection) => connection.send(bytes[sent] ?? 'x')), (sent += 1)), 100);
    try {
      const caller = await gateway.as('operator');
      for (let index = 0; index < 20; index += 1) expect((await caller.run('show', { value: `${index}` })).stdout).toBe(`${index}\0`);
      await eventually(() => slow.every(({ received }) => /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/.test(received)), 20_000);
      await Promise.all(slow.map(({ closed }) => closed));
    } finally {
      clearInterval(dripping);
    }
    expect(await areServed(gateway, 10)).toBe(10);
  });
});
