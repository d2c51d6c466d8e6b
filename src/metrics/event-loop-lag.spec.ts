import { afterEach, expect, it } from '@jest/globals';
import { eventually } from '../../test/kit/eventually.js';
import { startGateway, stopGateways } from '../../test/kit/gateway.js';
import { EventLoopLag } from './event-loop-lag.js';
import { openRegistry } from './exposition.js';

afterEach(stopGateways);

/** Seconds. */
const BLOCKED = 0.15;

function block(): void {
  const end = performance.now() + BLOCKED * 1_000;
  while (performance.now() < end);
}

it('shows what held the event loop up, to each who asks, whatever others have asked', async () => {
  const loop = new EventLoopLag();
  const registry = openRegistry();
  loop.register(registry);
  expect(loop.look().max).toBe(0);
  await eventually(() => loop.look().max > 0);
  block();
  await eventually(() => loop.look().max >= BLOCKED * 0.8);
  const scrape = async () => Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(await registry.metrics())?.[1]);
  expect([await scrape(), await scrape(), loop.look().max].every((max) => max >= BLOCKED * 0.8)).toBe(true);
  loop.stop();
});

it('is measured no more by a gateway that has stopped', async () => {
  const gateway = await startGateway();
  const { loop } = gateway.server.gateway.parts.metrics;
  const reader = await gateway.as('readonly');
  const scrape = async () => (await reader.get<string>('/metrics')).body;
  await eventually(async () => /^nodejs_eventloop_lag_max_seconds [0-9.e-]*[1-9]/m.test(await scrape()));
  await stopGateways();
  const { max } = loop.look();
  const witness = new EventLoopLag();
  await eventually(() => witness.look().max > 0);
  block();
  await eventually(() => witness.look().max >= BLOCKED * 0.8);
  witness.stop();
  expect(loop.look().max).toBe(max);
});
