import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import { sleeper, witness } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { expectReadable, expectRecovered, expectRefused, expectTold, servedUnder, syncFault, UNREADY } from './kit/faulty-server.js';
import { freePort } from './kit/free-port.js';
import { Caller, startGateway, stopGateways } from './kit/gateway.js';
import { Chronicler, expectSound } from './kit/history.js';
import type { Operation } from './kit/history-checker.js';
import { removeHomes } from './kit/program.js';
import { SmallDisk, withSmallDisk } from './kit/small-disk.js';
import { withStrace } from './kit/strace.js';
import { where, wherePermitted } from './kit/where.js';
import { witnessHome } from './kit/witness-home.js';

afterEach(stopGateways);
afterEach(removeHomes);

const withImmutable = wherePermitted(canMakeImmutable(), 'files cannot be made immutable here');
const withDevFull = where(existsSync('/dev/full'), 'there is no /dev/full');

describe('an fsync that fails', () => {
  withStrace('at an intent stops all writes until a restart, and says so; nothing is started', async () => {
    const { home, server, admin } = await servedUnder(syncFault(2, 'intent', 'error=EIO'));
    const history: Operation[] = [];
    const client = new Chronicler(admin, history);
    await client.run('quick', 'before');
    await client.run('quick', 'failing');
    expect(history.map(({ outcome }) => outcome)).toEqual(['ok', 'rejected']);
    for (let attempt = 0; attempt < 3; attempt += 1) expect((await expectRefused(admin, home.marks)).detail).toMatch(/until .* restarted/);
    await expectReadable(admin);
    expect((await admin.get('/ready')).body).toEqual({ ...UNREADY, restartRequired: true });
    await expectTold(server, {
      level: 'error',
      message: 'the store takes no writes until the gateway is restarted',
      reason: 'The disk failed (SQLITE_IOERR_FSYNC).',
    });
    await expectRecovered(home, server, history);
  });

  withStrace('at an outcome leaves that run open, tells its caller which, and the next start closes it as lost', async () => {
    const { home, server, admin } = await servedUnder(syncFault(1, 'outcome', 'error=EIO'));
    const history: Operation[] = [];
    const operation = await new Chronicler(admin, history).run('quick', 'done');
    expect(operation).toMatchObject({ outcome: 'unknown', runId: expect.stringMatching(/^run_/) });
    expect((await admin.get<RunEnvelope>(`/runs/${operation.runId}`)).body.status).toBe('running');
    await expectRefused(admin, home.marks);
    const { runs, witnesses } = await expectRecovered(home, server, history);
    // Whether its outcome reached the disk before the fsync failed is not known.
    expect(['lost', 'succeeded']).toContain(runs[0]?.status);
    expect(witnesses).toEqual(['done']);
  });
});

describe('a full disk', () => {
  withStrace('as the kernel tells it: refuses, reads on, and goes on by itself', async () => {
    const { home, server, admin } = await servedUnder({ calls: 'pwrite64', effect: 'error=ENOSPC', when: '120..140' });
    const history: Operation[] = [];
    const client = new Chronicler(admin, history);
    for (let run = 1; history.at(-1)?.outcome !== 'rejected' && run < 40; run += 1) await client.run('quick', `run-${run}`);
    expect(history.at(-1)?.outcome).toBe('rejected');
    await expectReadable(admin);
    await eventually(async () => (await client.run('quick', `again-${history.length}`)).outcome === 'ok');
    // An end that could not be recorded is, a moment later.
    await eventually(() => expectSound(history, admin, home.marks));
    await expectTold(server, { level: 'error', reason: 'SQLITE_FULL', message: 'the store cannot be written; nothing runs until it can' });
    await expectTold(server, { level: 'info', message: 'the store takes writes again' });
  });

  withSmallDisk('refuses at once, reads on, loses nothing, and goes on by itself when there is room', async () => {
    const home = witnessHome();
    const disk = new SmallDisk(home.dataDir, 'size=32m');
    try {
      const server = await home.serve();
      const admin = await server.as(home.adminKey);
      const history: Operation[] = [];
      const client = new Chronicler(admin, history);
      await client.run('quick', 'before');
      const { runId = '' } = await client.run('long', 'ending', 'async');
      await eventually(() => home.pids().length === 1);
      disk.fill();
      for (let run = 1; history.at(-1)?.outcome !== 'rejected' && run < 20; run += 1) await client.run('quick', `filling-${run}`);
      for (let attempt = 0; attempt < 5; attempt += 1) await expectRefused(admin, home.marks);
      await expectReadable(admin);
      expect((await admin.get<{ failing: string[] }>('/ready')).body.failing).toEqual(['storage', 'audit', 'disk']);
      await admin.post(`/runs/${runId}/cancel`);
      // It has ended, and that cannot be recorded.
      await eventually(async () => /^sallyport_run_ends_waiting 1$/m.test((await admin.get<string>('/metrics')).body));
      expect((await admin.get<RunEnvelope>(`/runs/${runId}`)).body.status).toBe('running');
      disk.empty();
      await eventually(async () => (await admin.get<RunEnvelope>(`/runs/${runId}`)).body.status === 'cancelled', 15_000);
      expect((await client.run('quick', 'after')).outcome).toBe('ok');
      await eventually(() => server.log().some(({ message }) => message === 'ends of runs that the store did not take are recorded now'));
      await expectSound(history, admin, home.marks);
      await expectRecovered(home, server, history);
    } finally {
      disk.unmount();
    }
  });

  withSmallDisk('of which only the inodes are used up changes nothing', async () => {
    const home = witnessHome();
    const disk = new SmallDisk(home.dataDir, 'size=64m,nr_inodes=40');
    try {
      const admin = await (await home.serve()).as(home.adminKey);
      disk.fillInodes();
      const history: Operation[] = [];
      expect((await new Chronicler(admin, history).run('quick', 'without inodes')).status).toBe('succeeded');
      await expectSound(history, admin, home.marks);
    } finally {
      disk.unmount();
    }
  });
});

/** What may happen to the files under a gateway's hands. */
const MISFORTUNES: readonly (readonly [what: string, reason: RegExp, happen: (file: string) => void])[] = [
  ['deleted', /moved or deleted/, (file) => rmSync(file)],
  ['moved', /moved or deleted/, (file) => renameSync(file, `${file}.old`)],
  ['replaced', /replaced/, (file) => (copyFileSync(file, `${file}.copy`), renameSync(`${file}.copy`, file))],
  ['cut', /cut/, (file) => truncateSync(file, 4096)],
  ['robbed of its log', /moved or deleted/, (file) => rmSync(`${file}-wal`)],
  ['robbed of the content of its log', /cut/, (file) => truncateSync(`${file}-wal`, 0)],
  ['robbed of its index', /moved or deleted/, (file) => rmSync(`${file}-shm`)],
  ['write-protected', /write-protected/, (file) => chmodSync(file, 0o400)],
];

describe('a run that waits for its turn', () => {
  it('does not start when the store fails meanwhile', async () => {
    const gateway = await startGateway({ commands: { quick: witness('/dev/null'), sleeper }, settings: { MAX_CONCURRENT_RUNS: '1' } });
    const admin = await gateway.as('admin');
    const { body: first } = await admin.post<RunEnvelope>('/run', { command: 'sleeper' }, { prefer: 'respond-async' });
    await eventually(() => gateway.launches.length === 1);
    const waiting = admin.post<Problem>('/run', { command: 'quick' });
    await eventually(async () => (await admin.get<Page<RunSummary>>('/runs?status=queued&command=quick')).body.items.length === 1);
    rmSync(join(gateway.dataDir, 'sallyport.db'));
    await admin.post(`/runs/${first.id}/cancel`);
    expect(await waiting).toMatchObject({ status: 503, body: { code: 'storage_unavailable' } });
    expect(gateway.launches).toHaveLength(1);
  });
});

describe('a database that is', () => {
  it.each(MISFORTUNES)('%s is noticed without anybody asking, and takes no more writes', (_what, reason, happen) =>
    expectNoticed(reason, happen),
  );

  withImmutable('made immutable is noticed too, although open files do not feel it', async () => {
    let file = '';
    try {
      await expectNoticed(/write-protected/, (database) => {
        file = database;
        chattr('+i', file);
      });
    } finally {
      chattr('-i', file);
    }
  });
});

async function expectNoticed(reason: RegExp, happen: (file: string) => void): Promise<void> {
  const log: string[] = [];
  const gateway = await startGateway({ commands: { quick: witness('/dev/null') }, onLog: (line) => void log.push(line) });
  const admin = await gateway.as('admin');
  expect((await admin.run('quick')).status).toBe('succeeded');
  happen(join(gateway.dataDir, 'sallyport.db'));
  const [alarm = ''] = await eventually(() => {
    const found = log.filter((line) => line.includes('the store takes no writes until the gateway is restarted'));
    return found.length > 0 ? found : false;
  }, 5_000);
  expect(JSON.parse(alarm)).toMatchObject({ level: expect.anything(), reason: expect.stringMatching(reason) });
  expect((await admin.get('/ready')).body).toEqual({ ...UNREADY, restartRequired: true });
  await expectRefused(admin, '/dev/null');
  expect(gateway.launches).toHaveLength(1);
}

function chattr(flag: '+i' | '-i', file: string): boolean {
  return spawnSync('chattr', [flag, file]).status === 0;
}

/** Takes rights, and a file system that knows the attribute. */
function canMakeImmutable(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'immutable-'));
  const can = chattr('+i', folder);
  chattr('-i', folder);
  rmSync(folder, { recursive: true });
  return can;
}

describe('a log that cannot be written', () => {
  withDevFull('stops neither runs nor the end', async () => {
    const home = witnessHome();
    const port = await freePort();
    const server = home.start(['serve'], { PORT: `${port}` }, ['sh', '-c', 'exec "$@" > /dev/full', 'sh']);
    const admin = new Caller(`http://127.0.0.1:${port}`, home.adminKey);
    await eventually(async () => (await admin.get('/ready')).status === 200, 15_000);
    for (let run = 0; run < 5; run += 1) expect((await admin.run('quick', { mark: `${run}` })).status).toBe('succeeded');
    expect(await server.end('SIGTERM')).toMatchObject({ code: 0, stderr: '' });
  });
});
