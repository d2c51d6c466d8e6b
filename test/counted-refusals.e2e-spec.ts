import { afterEach, describe, expect, it } from '@jest/globals';
import type { Problem } from '../src/domain/errors.js';
import { RunService } from '../src/runs/run.service.js';
import { show } from './kit/commands.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { exchange } from './kit/raw-http.js';
import { parseScrape } from './kit/scrape.js';

afterEach(stopGateways);

async function errors(gateway: TestGateway, code: string): Promise<number> {
  return parseScrape((await gateway.anonymous().get<string>('/metrics')).body).value('errors_total', { code });
}

describe('errors_total', () => {
  it.each([
    ['bytes that are no request', 'nonsense\r\n\r\n', 'malformed_request'],
    ['two lengths', 'POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx', 'malformed_request'],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`, 'headers_too_large'],
    ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n', 'not_implemented'],
    ['two hosts, which a hook refuses', 'GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 'malformed_request'],
  ])('counts once what is refused on the bare socket: %s', async (_what, bytes, code) => {
    const gateway = await startGateway({ commands: { show } });
    const { status, body } = await exchange(gateway.url, bytes);
    expect([status >= 400, (JSON.parse(body) as Problem).code]).toEqual([true, code]);
    expect(await errors(gateway, code)).toBe(1);
  });
});

describe('a fault of ours in an item of a batch', () => {
  it('is answered, counted and logged like one in a run', async () => {
    const log: string[] = [];
    const gateway = await startGateway({ commands: { show }, onLog: (line) => log.push(line) });
    const runs = gateway.server.app.get(RunService);
    const start = runs.start.bind(runs);
    runs.start = (request, origin) =>
      request.command === 'show' ? start(request, origin) : Promise.reject(new TypeError('nobody foresaw this'));
    const items = [{ command: 'show', args: { value: 'x' } }, { command: 'other' }];
    const answer = await (await gateway.as('operator')).post<{ items: readonly { problem?: Problem }[] }>('/batch', { items });
    expect(answer.body.items.map(({ problem }) => problem?.code)).toEqual([undefined, 'internal']);
    expect(JSON.stringify(answer.body)).not.toContain('foresaw');
    expect(await errors(gateway, 'internal')).toBe(1);
    const told = log.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line['code'] === 'internal');
    expect(told).toMatchObject([
      { request_id: answer.headers.get('x-request-id'), item: 1, err: { message: 'nobody foresaw this', type: 'TypeError' } },
    ]);
  });
});
