import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { generateKey } from '../src/auth/key-format.js';
import { loadSettings } from '../src/config/settings.js';
import type { Problem } from '../src/domain/errors.js';
import type { HealthDetails } from '../src/health/health-details.js';
import { makeCertificate } from './kit/certificate.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { freePort } from './kit/free-port.js';
import { type Answer, type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { programHome, removeHomes } from './kit/program.js';
import { stopRedis, TestRedis, Wire, withRedis } from './kit/redis.js';
import { parseScrape, type Scrape } from './kit/scrape.js';

/** Twice as long would take them who wait for each of their decisions. */
const BUSY_MACHINE_MS = 4_000;
const WIDE = { RATE_LIMIT_PER_KEY: '100000/h', RATE_LIMIT_PER_ADDRESS: '100000/h' };
const commands = { greet: command({ builtin: 'greet' }), rare: command({ builtin: 'greet', limits: { rate: '50/h' } }) };
const folder = mkdtempSync(join(tmpdir(), 'sallyport-shared-'));
const wires: Wire[] = [];

afterEach(async () => {
  await Promise.all(wires.splice(0).map((wire) => wire.close()));
  try {
    await stopGateways();
    await removeHomes();
  } finally {
    await stopRedis();
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const startSharing = (url: string, settings: Readonly<Record<string, string>> = {}): Promise<TestGateway> =>
  startGateway({ commands, settings: { RATE_LIMIT_ENABLED: 'true', ...WIDE, REDIS_URL: url, ...settings } });

const together = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

const scrape = async (gateway: TestGateway): Promise<Scrape> => parseScrape((await gateway.anonymous().get<string>('/metrics')).body);

const countedAlone = async (gateways: readonly TestGateway[]): Promise<number> => {
  const scrapes = await Promise.all(gateways.map(scrape));
  return scrapes.reduce((sum, found) => sum + found.value('rate_limit_counted_alone_total'), 0);
};

const withStatus = (answers: readonly Answer<unknown>[], status: number) => answers.filter((answer) => answer.status === status).length;

/** Requests in the fullest window that Redis has. */
const counted = (redis: TestRedis): number =>
  Math.max(
    0,
    ...redis
      .say('KEYS', 'sallyport:rate:*')
      .split('\n')
      .map((name) => Number(redis.say('HGET', name, 'used'))),
  );

const runs = (caller: Caller): Promise<unknown> => eventually(async () => (await caller.post('/run', { command: 'greet' })).status === 200);

const isReady = async (gateway: TestGateway): Promise<boolean> => (await gateway.anonymous().get('/ready')).status === 200;

/** Until rates are counted together again. */
const untilShared = (gateway: TestGateway): Promise<unknown> =>
  eventually(async () => (await scrape(gateway)).value('redis_up', { use: 'rates' }) === 1);

describe('two gateways with one Redis [A7]', () => {
  const cases = [
    ['a key', 1_000, { RATE_LIMIT_PER_KEY: '50/h' }, '/auth/me'],
    ['an address', 300, { RATE_LIMIT_PER_ADDRESS: '50/h' }, '/auth/me'],
    ['a command', 300, {}, '/run'],
  ] as const;
  for (const [whose, count, settings, path] of cases)
    withRedis(`admit exactly 50 of ${count} parallel requests of ${whose} between them`, async () => {
      const redis = await TestRedis.start();
      const admin = { ADMIN_KEY: generateKey().text };
      const gateways = [await startSharing(redis.url, { ...settings, ...admin }), await startSharing(redis.url, { ...settings, ...admin })];
      const callers = gateways.map((gateway) => gateway.with(admin.ADMIN_KEY));
      const ask = (caller: Caller) => (path === '/run' ? caller.post('/run', { command: 'rare' }) : caller.get(path));
      const burst = async () => {
        redis.say('FLUSHALL');
        await Promise.all(gateways.map(untilShared));
        const before = await countedAlone(gateways);
        const answers = await together(count, (index) => ask(callers[index % 2]!));
        // Where this machine is so busy that Redis was late, the gateways did not count together.
        return (await countedAlone(gateways)) === before && answers;
      };
      const answers = await eventually(burst, 25_000);
      expect([withStatus(answers, 200), withStatus(answers, 429)]).toEqual([50, count - 50]);
      for (const { headers } of answers.filter(({ status }) => status === 429))
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(3_500);
    });
});

describe('a Redis that is away [A8]', () => {
  withRedis('leaves each gateway with a window of its own, and nothing of that is counted when it is back', async () => {
    const redis = await TestRedis.start();
    const settings = { RATE_LIMIT_PER_KEY: '5/h', ADMIN_KEY: generateKey().text };
    const gateways = [await startSharing(redis.url, settings), await startSharing(redis.url, settings)];
    const callers = gateways.map((gateway) => gateway.with(settings.ADMIN_KEY));
    await redis.kill();
    const answers = await together(40, (index) => callers[index % 2]!.get('/auth/me'));
    expect(withStatus(answers, 200)).toBe(10);
    expect((await callers[0]!.post<Problem>('/run', { command: 'greet' })).body.code).toBe('rate_limited');
    expect(await Promise.all(gateways.map(isReady))).toEqual([true, true]);
    await redis.begin();
    await Promise.all(gateways.map(untilShared));
    // Each of them has tried one window that nobody else has.
    expect(counted(redis)).toBeLessThanOrEqual(1);
    // By themselves they have counted all that there may be.
    for (const caller of callers) await eventually(async () => (await caller.get('/auth/me')).status === 200);
  });

  withRedis('is told about: in health, metrics and the log, and when it is back', async () => {
    const redis = await TestRedis.start();
    const lines: string[] = [];
    const gateway = await startGateway({
      commands,
      settings: { RATE_LIMIT_ENABLED: 'true', REDIS_URL: redis.url },
      onLog: (line) => lines.push(line),
    });
    const caller = await gateway.as('operator');
    const health = async () => (await caller.get<HealthDetails>('/health/details')).body.services['redis'];
    expect(await health()).toMatchObject({ status: 'ok', critical: false });
    await redis.kill();
    await eventually(async () => (await health())?.status === 'failing');
    expect((await health()) as unknown).toMatchObject({ reason: expect.stringMatching(/^Redis is away \(\w.*\): rates are counted/) });
    const away = await scrape(gateway);
    expect(away.value('redis_up', { use: 'rates' })).toBe(0);
    expect(away.value('rate_limit_counted_alone_total')).toBeGreaterThan(0);
    await redis.begin();
    await untilShared(gateway);
    expect((await health())?.status).toBe('ok');
    const said = lines.map((line) => JSON.parse(line) as { msg?: string }).filter(({ msg }) => msg?.startsWith('Redis'));
    expect(said.map(({ msg }) => msg)).toEqual([
      'Redis answers: rates are counted by all gateways together',
      'Redis is away: until it is back requests are counted by this gateway alone',
      'Redis answers: rates are counted by all gateways together',
    ]);
  });

  withRedis('refuses runs where it has to, but none of an admin’s and nothing else; one that hangs costs hardly any time', async () => {
    const redis = await TestRedis.start();
    const gateway = await startSharing(redis.url, { RATE_LIMIT_WITHOUT_REDIS: 'closed' });
    const [caller, admin] = [await gateway.as('operator'), await gateway.as('admin')];
    await runs(caller);
    await redis.hang();
    const began = performance.now();
    const answers = await together(50, () => caller.post<Problem>('/run', { command: 'greet' }));
    expect(answers.map(({ status, body }) => `${status} ${body.code}`)).toEqual(Array(50).fill('503 counters_unavailable'));
    expect(answers[0]?.headers.get('retry-after')).toBe('1');
    expect((await caller.post<Problem>('/run', { command: 'rare' })).body.code).toBe('counters_unavailable');
    expect((await admin.run('rare')).status).toBe('succeeded');
    for (let round = 0; round < 40; round++) expect((await caller.get('/auth/me')).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(BUSY_MACHINE_MS);
    expect((await gateway.anonymous().get('/health')).status).toBe(200);
    expect((await gateway.anonymous().get('/ready')).body).toEqual({ status: 'unready', failing: ['redis'] });
    redis.wake();
    await eventually(() => isReady(gateway));
    await runs(caller);
    // What was sent while it hung waited in its socket, and it has read all of it by now.
    expect(counted(redis)).toBeLessThan(10);
  });

  withRedis('behind a way that is cut costs hardly any time either, and gets nothing of what was sent meanwhile', async () => {
    const redis = await TestRedis.start();
    const wire = await Wire.to(redis.port);
    wires.push(wire);
    const gateway = await startSharing(wire.url);
    const caller = await gateway.as('operator');
    await runs(caller);
    wire.cut();
    const began = performance.now();
    const answers = await together(50, () => caller.post('/run', { command: 'rare' }));
    expect(withStatus(answers, 200)).toBe(50);
    for (let round = 0; round < 40; round++) await caller.run('greet');
    expect(performance.now() - began).toBeLessThan(BUSY_MACHINE_MS);
    wire.mend();
    await untilShared(gateway);
    await runs(caller);
    expect(counted(redis)).toBeLessThan(10);
  });

  withRedis('does not keep a gateway from starting, which finds it later', async () => {
    const redis = await TestRedis.start();
    await redis.kill();
    const gateway = await startSharing(redis.url);
    const caller = await gateway.as('operator');
    expect((await caller.run('greet')).status).toBe('succeeded');
    await redis.begin();
    await untilShared(gateway);
    await eventually(async () => {
      await caller.run('greet');
      return redis.say('KEYS', 'sallyport:rate:*').split('\n').length >= 2;
    });
  });
});

describe('REDIS_URL', () => {
  withRedis('may speak TLS, with a password that nobody gets to see', async () => {
    const { cert, key } = makeCertificate();
    const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
    const [port, password] = [await freePort(), generateKey().text];
    const tls = ['--tls-port', `${port}`, '--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-auth-clients', 'no'];
    await TestRedis.start([...tls, '--requirepass', password]);
    const home = programHome({ commands });
    const settings = {
      RATE_LIMIT_ENABLED: 'true',
      NODE_EXTRA_CA_CERTS: certFile,
      LOG_LEVEL: 'trace',
      REDIS_URL: `rediss://:${password}@localhost:${port}/3`,
    };
    const server = await home.serve(settings);
    const admin = await server.as(home.adminKey);
    expect(parseScrape((await admin.get<string>('/metrics')).body).value('redis_up')).toBe(1);
    const { body } = await admin.get<{ settings: { name: string; value: unknown }[] }>('/config');
    expect(JSON.stringify(body)).toContain('{"name":"REDIS_URL","value":"[redacted]"');
    const wrong = { ...settings, REDIS_URL: `rediss://:not${password}@localhost:${port}` };
    const ill = await home.run(['doctor'], wrong);
    expect(ill.stdout).toMatch(/^warning {2}redis {8}rates cannot be counted at REDIS_URL: it answered WRONGPASS/m);
    const said = [server, ill].flatMap(({ stdout, stderr }) => [stdout, stderr]).join('') + JSON.stringify(body);
    expect(said).not.toContain(password);
  });

  it('is asked for where runs are to be refused without it', () => {
    expect(() => loadSettings({ RATE_LIMIT_WITHOUT_REDIS: 'closed', ENVIRONMENT: 'test' }, folder)).toThrow('expected REDIS_URL beside it');
  });
});
