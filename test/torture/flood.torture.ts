import { afterEach, expect } from '@jest/globals';
import { FloodedGateway, GIB, MIB } from '../kit/floods.js';
import { growthDuring, type Latency, latencyDuring } from '../kit/meters.js';
import { removeHomes } from '../kit/program.js';
import { closeConnections } from '../kit/raw-connection.js';
import { row, SCALE, type Tally } from '../kit/torture.js';

afterEach(async () => {
  closeConnections();
  await removeHomes();
});

/** `TORTURE_SCALE=5` is the 10 GB of the table. */
const MOST = Math.round(2 * GIB * SCALE);
const TIMEOUT_MS = 30 * 60_000;

/** @param atOnce floods that the gateway has seen at once before: what is kept of each output is no growth */
async function endure(tried: Tally, bytes: number, floods: (gateway: FloodedGateway) => Promise<unknown>, atOnce = 4): Promise<void> {
  const gateway = await FloodedGateway.start(atOnce);
  let latency: Latency | undefined;
  const growth = await growthDuring(gateway.program.pid, async () => {
    latency = await latencyDuring(gateway.caller.url, () => floods(gateway));
  });
  tried.add('answers of /health', latency?.count);
  tried.add('ms p50', latency?.p50);
  tried.add('ms p99', latency?.p99);
  tried.add('MiB of output', bytes / MIB);
  tried.add('MiB more in the gateway', Math.round(growth.gateway));
  tried.add('MiB more in a host', Math.round(growth.host));
  expect(growth.gateway).toBeLessThan(64);
  expect(growth.host).toBeLessThan(64);
  expect(latency?.p99).toBeLessThan(100);
}

for (const name of ['lines', 'stderr', 'both']) {
  const [bytes, all] = name === 'both' ? [Math.ceil(MOST / 2), MOST] : [MOST, MOST];
  row(
    'P4',
    `a flood (${name}) costs less than 64 MiB, and /health stays below 100 ms`,
    (tried) => endure(tried, all, (gateway) => gateway.pass(name, bytes)),
    {
      timeoutMs: TIMEOUT_MS,
    },
  );
}

row('P4', 'a line of 1 GiB costs less than 64 MiB', (tried) => endure(tried, GIB, (gateway) => gateway.pass('line', GIB)), {
  timeoutMs: TIMEOUT_MS,
});

row(
  'T53',
  'a reader that never reads costs less than 64 MiB, and its command ends',
  (tried) => endure(tried, MOST, (gateway) => gateway.passUnread('lines', MOST)),
  { timeoutMs: TIMEOUT_MS },
);

row(
  'T52',
  '20 floods at once cost less than 64 MiB more than 20 small ones, and /health stays below 100 ms',
  (tried) => endure(tried, MOST, (gateway) => gateway.passTogether(20, MOST), 20),
  { timeoutMs: TIMEOUT_MS },
);
