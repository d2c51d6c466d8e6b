import { afterEach, describe, expect, it } from '@jest/globals';
import type { Problem } from '../src/domain/errors.js';
import { show } from './kit/commands.js';
import { startGateway, stopGateways } from './kit/gateway.js';

afterEach(stopGateways);

/** Words that only somebody inside could know. */
const INSIDE = 'near "select": syntax error at /srv/inner/store.js:12:7';

describe('a fault of ours', () => {
  it('tells nothing of itself through any door; the log has all of it under the id of the answer [H5]', async () => {
    const log: string[] = [];
    const gateway = await startGateway({ commands: { show }, settings: { LOG_LEVEL: 'error' }, onLog: (line) => void log.push(line) });
    const caller = await gateway.as('operator');
    const fail = () => {
      throw new TypeError(INSIDE);
    };
    Object.assign(gateway.server.gateway.parts.runStore, { page: fail, find: fail });
    Object.assign(gateway.server.gateway.parts.catalogue, { get: fail });
    const run = { command: 'show', args: { value: 'x' } };
    const answers = [
      await caller.get<Problem>('/runs'),
      await caller.get<Problem>('/runs/run_1'),
      await caller.post<Problem>('/run', run),
      await caller.post<Problem>('/stream', run),
      await caller.post<Problem>('/plan', run),
    ];
    for (const { status, headers, body } of answers) {
      expect([status, headers.get('content-type')?.split(';', 1)[0], body.code]).toEqual([500, 'application/problem+json', 'internal']);
      expect(JSON.stringify([body, [...headers]])).not.toMatch(/select|srv|store\.js|TypeError|node_modules| at /);
      expect(headers.get('x-request-id')).toBe(body.requestId);
      const lines = log.filter((entry) => entry.includes(body.requestId)).map((entry) => JSON.parse(entry) as unknown);
      expect(lines).toMatchObject([{ request_id: body.requestId, code: 'internal', err: { message: INSIDE } }]);
    }
    const { status, body } = await caller.post<{ items: { error?: Problem }[] }>('/batch', { items: [run] });
    expect(JSON.stringify([status, body])).not.toMatch(/select|srv|store\.js|TypeError/);
  });
});
