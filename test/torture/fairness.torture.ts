import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect } from '@jest/globals';
import { generateKey } from '../../src/auth/key-format.js';
import { residentBytes } from '../fixtures/fixture.js';
import { command } from '../kit/commands.js';
import type { Caller } from '../kit/gateway.js';
import { latencyDuring } from '../kit/meters.js';
import { type Program, programHome, removeHomes } from '../kit/program.js';
import { closeConnections, RawConnection } from '../kit/raw-connection.js';
import { requestText } from '../kit/raw-http.js';
import { row, SCALE, type Tally } from '../kit/torture.js';

afterEach(async () => {
  closeConnections();
  await removeHomes();
});

const MIB = 1024 ** 2;
const MANY = 100_000;
const PIPELINED = 1_000;

async function keyFor(admin: Caller, role: string): Promise<string> {
  return (await admin.post<{ key: string }>('/auth/token', { name: role, role })).body.key;
}

/** Milliseconds of each run, one after the other, for so long; rejects when one is refused. */
async function timesOfRuns(caller: Caller, forMs: number): Promise<number[]> {
  const times: number[] = [];
  for (const since = performance.now(); performance.now() - since < forMs;) {
    const start = performance.now();
    await caller.run('work');
    times.push(performance.now() - start);
    await delay(20);
  }
  return times.sort((one, other) => one - other);
}

const p99 = (sorted: readonly number[]) => Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? NaN);

row('A11', 'a key that floods does not double the p99 of another key; admins and probes always get through', async (tried) => {
  // Long enough to be waited for, seldom enough that two cores can start them all.
  const text = 'sleep 0.5';
  const home = programHome({
    commands: { work: command({ script: { interpreter: 'sh', text } }) },
    settings: { MAX_CONCURRENT_RUNS: '16', QUEUE_LIMIT: '100', CONNECTIONS_PER_ADDRESS: '0' },
  });
  const program = await home.serve();
  const admin = await program.as(home.adminKey);
  const [elephant, mouse] = [await program.as(await keyFor(admin, 'operator')), await program.as(await keyFor(admin, 'operator'))];
  await timesOfRuns(mouse, 2_000);
  const quiet = await timesOfRuns(mouse, 15_000);

  const flood = { over: false, runs: 0, refused: 0 };
  const flooding = Array.from({ length: 130 }, async () => {
    while (!flood.over) {
      const { status } = await elephant.post('/run', { command: 'work' });
      if (status === 200) flood.runs += 1;
      else {
        flood.refused += 1;
        await delay(500);
      }
    }
  });
  await delay(1_000);
  let [busy, admins] = [[] as number[], [] as number[]];
  const health = await latencyDuring(await program.url(), async () => {
    [busy, admins] = await Promise.all([timesOfRuns(mouse, 30_000 * SCALE), timesOfRuns(admin, 30_000 * SCALE)]);
  });
  flood.over = true;
  await Promise.all(flooding);
  tried.add('runs of the flood', flood.runs);
  tried.add('refused of the flood', flood.refused);
  tried.add('runs of the other', busy.length);
  tried.add('ms p99 alone', p99(quiet));
  tried.add('ms p99 under the flood', p99(busy));
  tried.add('ms p99 of an admin', p99(admins));
  tried.add('ms p99 of /health', health.p99);
  expect(flood.refused).toBeGreaterThan(0);
  expect(p99(busy)).toBeLessThan(2 * p99(quiet));
  expect(p99(admins)).toBeLessThan(2 * p99(quiet));
});

/** Sends so many requests, each made anew, over one connection after the other; rejects unless each is answered with the status. */
async function sendMany(program: Program, count: number, status: number, make: (index: number) => Buffer): Promise<void> {
  const url = await program.url();
  for (let sent = 0; sent < count; sent += PIPELINED) {
    const connection = await RawConnection.open(url);
    connection.send(
      Buffer.concat([
        ...Array.from({ length: PIPELINED }, (_, index) => make(sent + index)),
        requestText('GET', '/livez', ['Connection: close']),
      ]),
    );
    await connection.closed;
    expect(connection.received.match(/HTTP\/1\.1 \d+/g)?.filter((line) => line === `HTTP/1.1 ${status}`)).toHaveLength(PIPELINED);
  }
}

async function flatUnder(tried: Tally, what: string, status: number, make: (index: number) => Buffer): Promise<void> {
  const program = await programHome({
    settings: {
      RATE_LIMIT_ENABLED: 'true',
      RATE_LIMIT_PER_ADDRESS: '900000000/min',
      RATE_LIMIT_PER_KEY: '900000000/min',
      TRUSTED_PROXIES: '127.0.0.1',
    },
  }).serve();
  // What is remembered of callers is bounded: once it is full nothing grows.
  await sendMany(program, MANY, status, make);
  const full = residentBytes(program.pid);
  await sendMany(program, MANY * SCALE, status, (index) => make(MANY + index));
  const megabytes = Math.round((residentBytes(program.pid) - full) / MIB);
  tried.add(what, MANY * (1 + SCALE));
  tried.add('MiB more for the second half', megabytes);
  expect(megabytes).toBeLessThan(48);
}

row('T50', '100,000 unknown keys leave the memory flat', (tried) =>
  flatUnder(tried, 'unknown keys', 401, () => requestText('GET', '/auth/me', [`X-API-Key: ${generateKey().text}`])),
);

row('T50', '100,000 addresses leave the memory flat', (tried) =>
  flatUnder(tried, 'addresses', 404, (index) =>
    requestText('GET', '/nowhere', [`X-Forwarded-For: 2001:db8:${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}::1`]),
  ),
);
