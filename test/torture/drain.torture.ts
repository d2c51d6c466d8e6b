import { afterEach, expect } from '@jest/globals';
import type { AuditEntry, AuditVerdict, Page } from '../../src/domain/audit.js';
import type { BatchItem } from '../../src/runs/batch.service.js';
import type { RunEnvelope, RunSummary } from '../../src/runs/run-envelope.js';
import { fixture } from '../fixtures/fixture.js';
import { command } from '../kit/commands.js';
import { eventually } from '../kit/eventually.js';
import { type Caller, parseEvents } from '../kit/gateway.js';
import { latencyDuring } from '../kit/meters.js';
import { processesIn } from '../kit/processes.js';
import { type Program, programHome, type ProgramHome, removeHomes } from '../kit/program.js';
import { closeConnections, RawConnection } from '../kit/raw-connection.js';
import { requestText } from '../kit/raw-http.js';
import { row, type Tally } from '../kit/torture.js';

afterEach(async () => {
  closeConnections();
  await removeHomes();
});

const RUNS = 18;
const STREAMS = 50;
const DRAIN_MS = 3_000;
const GRACE_MS = 1_000;
const SLACK_MS = 2_000;
/** The runs, the stubborn one, and the first of the batch. */
const UNDER_WAY = RUNS + 2;

const commands = {
  quick: command({ builtin: 'greet' }),
  busy: command({ script: { interpreter: 'sh', text: 'while :; do echo still here; sleep 0.2; done' }, timeout: '5min' }),
  stubborn: command({ exec: [fixture('ignores-term')], timeout: '5min' }),
  flood: command({
    script: { interpreter: 'sh', text: 'yes "a line" | head -c 8388608; exec sleep 300' },
    limits: { output: '16MiB' },
    timeout: '5min',
  }),
};

/** What clients were told, whenever it came. */
interface Crowd {
  readonly streams: readonly Promise<string>[];
  readonly batch: Promise<readonly BatchItem[]>;
  readonly paused: RawConnection;
}

async function gather(caller: Caller): Promise<Crowd> {
  const begin = async (name: string) => (await caller.post<RunEnvelope>('/run', { command: name }, { prefer: 'respond-async' })).body.id;
  const ids = await Promise.all([...Array.from({ length: RUNS - 1 }, () => begin('busy')), begin('stubborn')]);
  const flood = await begin('flood');
  const follow = async (id: string) => (await caller.get<string>(`/runs/${id}/stream`)).body;
  const streams = Array.from({ length: STREAMS }, (_, index) => follow(ids[index % ids.length]!));
  const items = [{ command: 'quick' }, { command: 'busy' }, { command: 'quick' }];
  const batch = caller.post<{ items: BatchItem[] }>('/batch', { mode: 'sequential', items }).then(({ body }) => body.items);
  const paused = await RawConnection.open(caller.url);
  paused.pause();
  paused.send(requestText('GET', `/runs/${flood}/stream`, [`X-API-Key: ${caller.key}`]));
  await eventually(async () => {
    const { body } = await caller.get<string>('/metrics');
    return valueOf(body, 'runs_active') === UNDER_WAY && valueOf(body, 'http_requests_in_flight') === STREAMS + 3;
  }, 30_000);
  return { streams, batch, paused };
}

function valueOf(scrape: string, name: string): number {
  return Number(new RegExp(`^sallyport_${name} (\\d+)$`, 'm').exec(scrape)?.[1]);
}

async function expectRefused(caller: Caller): Promise<void> {
  await eventually(async () => (await caller.get('/ready')).status === 503);
  for (const path of ['/run', '/stream']) expect((await caller.post(path, { command: 'quick' })).status).toBe(503);
}

async function expectTold({ streams, batch }: Crowd, tried: Tally): Promise<void> {
  for (const text of await Promise.all(streams)) {
    expect(parseEvents(text).at(-1)).toMatchObject({ event: 'run.finished', data: { status: 'cancelled', outcome: { by: 'shutdown' } } });
    tried.add('streams told their end');
  }
  expect(await batch).toMatchObject([
    { run: { status: 'succeeded' } },
    { run: { status: 'cancelled' } },
    { problem: { code: 'draining' } },
  ]);
}

async function expectRecorded(home: ProgramHome, tried: Tally): Promise<void> {
  expect(processesIn(home.folder)).toEqual([]);
  const again = await home.serve();
  expect(again.complaints()).toEqual([]);
  const admin = await again.as(home.adminKey);
  const runs = (await admin.get<Page<RunSummary>>('/runs?limit=200')).body.items;
  expect(runs.filter(({ status }) => !['succeeded', 'cancelled'].includes(status))).toEqual([]);
  expect(runs.filter(({ status }) => status === 'cancelled')).toHaveLength(UNDER_WAY);
  for (const action of ['run.intent', 'run.outcome']) {
    const { items } = (await admin.get<Page<AuditEntry>>(`/audit?action=${action}&limit=200`)).body;
    expect(items.map(({ subject }) => subject).toSorted()).toEqual(runs.map(({ id }) => id).toSorted());
  }
  expect((await admin.get<AuditVerdict>('/audit/verify')).body).toMatchObject({ ok: true });
  tried.add('runs recorded', runs.length);
}

/** Stops a crowded gateway; the time from the first signal to its end is within `withinMs`. */
async function stopCrowded(tried: Tally, drainMs: number, withinMs: number, then: (program: Program) => void): Promise<void> {
  const home = programHome({ commands, settings: { DRAIN_TIMEOUT: `${drainMs}ms`, KILL_GRACE: `${GRACE_MS}ms` } });
  const program = await home.serve();
  const caller = await program.as(home.adminKey);
  const crowd = await gather(caller);
  const start = performance.now();
  program.kill('SIGTERM');
  await expectRefused(caller);
  then(program);
  const told = expectTold(crowd, tried);
  const { code, signal, stderr } = await program.finished;
  const tookMs = performance.now() - start;
  await told;
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  tried.add('ms until the end', Math.round(tookMs));
  expect(tookMs).toBeLessThan(withinMs);
  await expectRecorded(home, tried);
}

row('H8', 'TERM ends a crowded gateway within drain, grace and 2 s; everybody is told, everything recorded', (tried) =>
  stopCrowded(tried, DRAIN_MS, DRAIN_MS + GRACE_MS + SLACK_MS, () => undefined),
);

row('H8', 'a second signal ends it within grace and 3 s', (tried) =>
  stopCrowded(tried, 10 * 60_000, GRACE_MS + SLACK_MS + 1_000, (program) => program.kill('SIGINT')),
);

row('P9', 'while 64 runs are under way /health stays below three times what it takes when idle, or below 50 ms', async (tried) => {
  const wait = command({ exec: ['sleep', '0.5'] });
  const home = programHome({ commands: { wait } });
  const caller = await (await home.serve()).as(home.adminKey);
  const idle = await latencyDuring(caller.url, () => new Promise((resolve) => setTimeout(resolve, 5_000)));
  const over = new AbortController();
  const worker = async () => {
    while (!over.signal.aborted) {
      await caller.run('wait');
      tried.add('runs');
    }
  };
  const loaded = await latencyDuring(caller.url, async () => {
    const workers = Array.from({ length: 64 }, worker);
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    over.abort();
    await Promise.all(workers);
  });
  tried.add('ms p99 idle', idle.p99);
  tried.add('ms p50 loaded', loaded.p50);
  tried.add('ms p99 loaded', loaded.p99);
  expect(loaded.p99).toBeLessThan(Math.max(3 * idle.p99, 50));
});
