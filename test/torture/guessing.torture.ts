import { Agent, request } from 'node:http';
import { afterEach, expect } from '@jest/globals';
import { formatKey, generateKey, parseKey } from '../../src/auth/key-format.js';
import { startGateway, stopGateways } from '../kit/gateway.js';
import { medianDifference, timeInTurns, welchT } from '../kit/timing.js';
import { row, SCALE } from '../kit/torture.js';

afterEach(stopGateways);

const PAIRS = Math.round(50_000 * SCALE);

for (const [what, secretFor] of [
  ['wrong secret', () => generateKey().secret],
  ['secret whose first half is right', (genuine: string) => genuine.slice(0, 16) + generateKey().secret.slice(16)],
] as const)
  row('A4', `an unknown id and the right one with a ${what} take the same time and look the same`, async (tried) => {
    const gateway = await startGateway();
    const genuine = parseKey(await gateway.newKey({ role: 'readonly' })) ?? { id: '', secret: '' };
    await gateway.with(formatKey(genuine)).get('/auth/me');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const bodies = new Set<string>();
    const guess = (key: string) =>
      new Promise<void>((resolve, reject) => {
        const asked = request(`${gateway.url}/auth/me`, { agent, headers: { 'x-api-key': key, 'x-request-id': 'guess' } }, (answer) => {
          let body = '';
          answer.setEncoding('utf8').on('data', (text: string) => void (body += text));
          answer.on('end', () => {
            bodies.add(`${answer.statusCode} ${body}`);
            resolve();
          });
        });
        asked.on('error', reject).end();
      });
    // Made beforehand: that costs more for one than for the other.
    const unknown = Array.from({ length: 2_000 }, () => generateKey().text);
    const wrong = Array.from({ length: 2_000 }, () => formatKey({ id: genuine.id, secret: secretFor(genuine.secret) }));
    let at = 0;
    const next = (keys: readonly string[]) => keys[at++ % keys.length] ?? '';
    const times = await timeInTurns(
      PAIRS,
      () => guess(next(unknown)),
      () => guess(next(wrong)),
    );
    agent.destroy();
    const distance = welchT(times);
    const [low, high] = medianDifference(times);
    tried.add('pairs', PAIRS);
    tried.add('hundredths of t', Math.round(distance * 100));
    tried.add('ns low end of the medians’ difference', Math.round(low * 1e6));
    tried.add('ns high end', Math.round(high * 1e6));
    expect([...bodies]).toHaveLength(1);
    expect(distance).toBeLessThan(4.5);
  });
