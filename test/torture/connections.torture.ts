import { afterEach, expect } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { residentBytes } from '../fixtures/fixture.js';
import { command, show } from '../kit/commands.js';
import { eventually } from '../kit/eventually.js';
import { latencyDuring } from '../kit/meters.js';
import { type Program, programHome, type ProgramHome, removeHomes } from '../kit/program.js';
import { closeConnections, RawConnection } from '../kit/raw-connection.js';
import { requestText } from '../kit/raw-http.js';
import { row, type Tally } from '../kit/torture.js';

afterEach(async () => {
  closeConnections();
  await removeHomes();
});

const MIB = 1024 ** 2;
const MOST_IDLE = 10_000;
/** Of the default cap of an address; every client has an address of its own: 127.0.0.0/8 are all this host's. */
const PER_ADDRESS = 400;
const HEALTHY_MS = 50;
const TICK_MS = 200;
const health = requestText('GET', '/health', []);

function start(settings: Record<string, string> = {}): ProgramHome {
  const text = 'head -c 16777216 /dev/zero | tr "\\0" x';
  return programHome({
    commands: { show, large: command({ script: { interpreter: 'sh', text }, limits: { output: '16MiB' } }) },
    settings,
  });
}

/** As many as this process may hold; the gateway starts with the same limit. Node has raised the soft limit to the hard one. */
function descriptorsLeft(): number {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  return limit - 500;
}

async function openMany(url: string, count: number): Promise<RawConnection[]> {
  const opened: RawConnection[] = [];
  while (opened.length < count) {
    const address = `127.0.1.${1 + Math.floor(opened.length / PER_ADDRESS)}`;
    const batch = Math.min(100, count - opened.length);
    opened.push(...(await Promise.all(Array.from({ length: batch }, () => RawConnection.open(url, address)))));
  }
  return opened;
}

async function measured(program: Program, tried: Tally, during: () => Promise<unknown>): Promise<void> {
  const before = residentBytes(program.pid);
  const { count, p50, p99 } = await latencyDuring(await program.url(), during);
  tried.add('answers of /health', count);
  tried.add('ms p50', p50);
  tried.add('ms p99', p99);
  tried.add('MiB more', Math.max(0, Math.round((residentBytes(program.pid) - before) / MIB)));
  expect(p99).toBeLessThan(HEALTHY_MS);
}

/** Sends the bytes one by one until every connection is closed. */
async function drip(connections: readonly RawConnection[], bytes: string, withinMs: number): Promise<void> {
  let next = 0;
  const dripping = setInterval(() => {
    for (const connection of connections) connection.send(bytes[next] ?? 'x');
    next += 1;
  }, TICK_MS);
  const closed = Promise.all(connections.map((connection) => connection.closed)).then(() => true);
  try {
    expect(await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, withinMs, 'still open').unref())])).toBe(true);
  } finally {
    clearInterval(dripping);
  }
}

row('H4', `10,000 idle connections leave /health below ${HEALTHY_MS} ms, and cost less than 256 MiB`, async (tried) => {
  const program = await start().serve();
  const url = await program.url();
  const before = residentBytes(program.pid);
  const idle = await openMany(url, Math.min(MOST_IDLE, descriptorsLeft()));
  for (const connection of idle) connection.send(health);
  await Promise.all(idle.map((connection) => connection.has('"status":"ok"')));
  tried.add('idle connections', idle.length);
  await measured(program, tried, () => new Promise((resolve) => setTimeout(resolve, 10_000)));
  const megabytes = (residentBytes(program.pid) - before) / MIB;
  tried.add('MiB for all', Math.round(megabytes));
  expect(megabytes).toBeLessThan(256);
});

row('H4', `2,000 requests that come byte by byte are cut in time and leave /health below ${HEALTHY_MS} ms`, async (tried) => {
  const home = start();
  const program = await home.serve();
  const [headers, bodies] = [await openMany(await program.url(), 1_000), await openMany(await program.url(), 1_000)];
  const body = requestText(
    'POST',
    '/run',
    [`X-API-Key: ${home.adminKey}`, 'Content-Type: application/json'],
    `{"command":"show${'x'.repeat(5_000)}`,
  );
  const [head = ''] = body.toString().split('{', 1);
  for (const connection of bodies) connection.send(head);
  await measured(program, tried, () =>
    Promise.all([drip(headers, `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: `, 15_000), drip(bodies, '{"command":"show', 40_000)]),
  );
  tried.add('slow headers', headers.length);
  tried.add('slow bodies', bodies.length);
  for (const { received } of [...headers, ...bodies]) expect(received).toMatch(/^(HTTP\/1\.1 408 |$)/);
  tried.add('told 408', [...headers, ...bodies].filter(({ received }) => received !== '').length);
});

row(
  'H4',
  `100 answers that nobody reads are cut after a minute, leave /health below ${HEALTHY_MS} ms, and cost no more than they are long`,
  async (tried) => {
    const home = start();
    const program = await home.serve();
    const { id } = await (await program.as(home.adminKey)).run('large');
    const readers = await openMany(await program.url(), 100);
    for (const [index, reader] of readers.entries()) {
      reader.pause();
      reader.send(
        requestText('GET', `/runs/${id}/${index % 2 === 0 ? 'stream' : 'output?stream=stdout'}`, [`X-API-Key: ${home.adminKey}`]),
      );
    }
    const caller = await program.as(home.adminKey);
    const inFlight = async () =>
      Number(/^sallyport_http_requests_in_flight (\d+)$/m.exec((await caller.get<string>('/metrics')).body)?.[1]);
    await eventually(async () => (await inFlight()) > readers.length, 30_000);
    const since = performance.now();
    await measured(program, tried, () => eventually(async () => (await inFlight()) === 1, 90_000));
    tried.add('seconds until all were cut', Math.round((performance.now() - since) / 1000));
    tried.add('readers', readers.length);
  },
);
