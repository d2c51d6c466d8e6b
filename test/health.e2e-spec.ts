import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { HealthDetails } from '../src/health/health-details.js';
import type { HealthJson } from '../src/health/health-json.js';
import { healthDetailsSchema, healthJsonSchema } from '../src/health/health.schemas.js';
import { exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { Caller, startGateway, stopGateways } from './kit/gateway.js';
import { programHome, removeHomes } from './kit/program.js';
import { under, withStrace } from './kit/strace.js';

const HEALTH_JSON = 'application/health+json';
const asHealthJson = { accept: HEALTH_JSON };
const PATHS = ['/health', '/livez', '/ready', '/readyz', '/health/details'];

afterEach(async () => {
  await stopGateways();
  await removeHomes();
});

describe('health', () => {
  it('comes in the form that is asked for, and is never refused for it', async () => {
    const reader = await (await startGateway({ commands: { show } })).as('readonly');
    for (const path of PATHS) {
      const formOf = async (accept: string) => (await reader.get(path, { accept })).headers.get('content-type');
      expect([path, await formOf(HEALTH_JSON)]).toEqual([path, `${HEALTH_JSON}; charset=utf-8`]);
      for (const accept of ['*/*', 'text/html', `${HEALTH_JSON};q=0.1, application/json`, 'nonsense'])
        expect([path, accept, await formOf(accept)]).toEqual([path, accept, 'application/json; charset=utf-8']);
      const { status, headers, body } = await reader.get<HealthJson>(path, asHealthJson);
      expect([status, headers.get('cache-control'), headers.get('vary')]).toEqual([200, 'no-store', 'Accept']);
      expect(healthJsonSchema.strict().parse(body)).toMatchObject({ status: 'pass', version: '0', releaseId: '0.1.0' });
      const head = await reader.request('HEAD', path, { headers: asHealthJson });
      expect([head.status, head.body, head.headers.get('content-type')]).toEqual([200, '', `${HEALTH_JSON}; charset=utf-8`]);
    }
  });

  it('says of every room how it is and what was measured', async () => {
    const reader = await (await startGateway({ commands: { show, fragile: { ...exits, breaker: 'thin-ice' } } })).as('readonly');
    const { status, body } = await reader.get<HealthDetails>('/health/details');
    expect(status).toBe(200);
    expect(healthDetailsSchema.strict().parse(body)).toMatchObject({ version: '0.1.0', environment: 'test', draining: false });
    const critical = ['storage', 'audit', 'catalogue', 'disk'];
    const others = [
      'breakers',
      'log',
      'knowledge',
      'agents',
      'queue',
      'sandbox',
      'configuration',
      'error_tracking',
      'memory',
      'event_loop',
    ];
    const services = [...critical, ...others];
    expect(Object.keys(body.services)).toEqual(services);
    expect(services.filter((name) => body.services[name]?.critical)).toEqual(critical);
    expect(body.services['breakers']?.measured).toEqual([{ name: 'state', of: 'thin-ice', value: 'closed' }]);
    const notConfigured = { status: 'ok', critical: false, measured: [{ name: 'configured', value: false }] };
    expect(body.providers).toMatchObject({ llm: notConfigured, obs: notConfigured });
    const { checks = {} } = (await reader.get<HealthJson>('/health/details', asHealthJson)).body;
    expect(checks['storage:responseTime']).toEqual([
      { componentType: 'datastore', observedValue: expect.any(Number), observedUnit: 'ms', status: 'pass', time: expect.any(String) },
    ]);
    for (const provider of ['llm', 'obs'])
      expect(checks[`${provider}:configured`]).toMatchObject([{ componentType: 'component', observedValue: false, status: 'pass' }]);
    expect(checks['disk:free']).toMatchObject([{ componentType: 'system', observedUnit: 'bytes' }]);
    expect(checks['breakers:state']).toMatchObject([{ componentId: 'thin-ice', observedValue: 'closed', status: 'pass' }]);
    expect(checks['sandbox:contained']?.map(({ componentId }) => componentId)).toEqual(['pure', 'workspace', 'network']);
  });

  it('is degraded by a breaker that opens, limited by a freeze, and a failure only where the gateway is not ready', async () => {
    const gateway = await startGateway({ commands: { fragile: { ...exits, breaker: 'thin-ice' } } });
    const admin = await gateway.as('admin');
    const statuses = async () => {
      const [plain, form] = [
        await admin.get<HealthDetails>('/health/details'),
        await admin.get<HealthJson>('/health/details', asHealthJson),
      ];
      return [plain.status, plain.body.status, form.status, form.body.status];
    };
    for (let failures = 0; failures < 5; failures++) await admin.run('fragile', { code: 1 });
    await eventually(async () => (await admin.get<HealthDetails>('/health/details')).body.services['breakers']?.status === 'warning');
    expect(await statuses()).toEqual([200, 'degraded', 200, 'warn']);
    expect((await admin.get('/ready')).status).toBe(200);
    await admin.request('PUT', '/freezes', { body: { target: { all: true }, mode: 'drain', reason: 'test' } });
    expect(await statuses()).toEqual([200, 'limited', 200, 'warn']);
    renameSync(join(gateway.dataDir, 'sallyport.db'), join(gateway.dataDir, 'moved.db'));
    await eventually(async () => (await admin.get('/ready')).status === 503);
    expect(await statuses()).toEqual([200, 'limited', 503, 'fail']);
    const { status, body } = await gateway.anonymous().get<HealthJson>('/ready', asHealthJson);
    expect([status, body]).toEqual([
      503,
      {
        ...{ status: 'fail', version: '0', releaseId: '0.1.0', description: 'Sallyport' },
        checks: { storage: [{ status: 'fail' }], audit: [{ status: 'fail' }] },
        output: 'Waiting will not help: a restart is needed.',
      },
    ]);
    const { checks } = (await admin.get<HealthJson>('/health/details', asHealthJson)).body;
    expect(checks?.['storage:responseTime']).toMatchObject([{ status: 'fail', output: expect.stringContaining('restarted') }]);
  });
});

describe('an orchestrator', () => {
  it('finds nobody before the start is over, and the gateway live but not ready while it drains', async () => {
    const home = programHome({ commands: { sleeper }, settings: { DRAIN_TIMEOUT: '1s' } });
    const port = 20_000 + (process.pid % 10_000);
    const server = home.start(['serve'], { PORT: String(port) });
    const probe = async (path: string) => {
      try {
        return (await new Caller(`http://127.0.0.1:${port}`, home.adminKey).get(path, { connection: 'close' })).status;
      } catch {
        return 0;
      }
    };
    const seen: number[] = [];
    await eventually(async () => seen.push(await probe('/readyz')) > 0 && seen.at(-1) === 200, 20_000);
    expect(seen.filter((status) => status !== 0)).toEqual([200]);
    const caller = await server.as(home.adminKey);
    await caller.post('/run', { command: 'sleeper' }, { prefer: 'respond-async' });
    server.kill('SIGTERM');
    await eventually(async () => (await probe('/readyz')) === 503);
    for (const path of ['/livez', '/health', '/runs', '/health/details']) expect([path, await probe(path)]).toEqual([path, 200]);
    const statuses = new Set<number>();
    await eventually(async () => {
      const status = await probe('/livez');
      statuses.add(status);
      return status === 0;
    });
    expect([...statuses]).toEqual([200, 0]);
    expect((await server.finished).code).toBe(0);
  }, 30_000);

  withStrace(
    'is answered while a dependency hangs, and told which one',
    async () => {
      const home = programHome({ commands: { show } });
      const hangs = under({ calls: 'statfs', effect: 'delay_enter=2500000', when: '1' });
      const server = await home.serve({ UV_THREADPOOL_SIZE: '1' }, hangs);
      const admin = await server.as(home.adminKey);
      const timed = async <Body>(path: string) => {
        const start = performance.now();
        const { status, body } = await admin.get<Body>(path);
        return { status, body, ms: performance.now() - start };
      };
      const [live, ready, details] = await Promise.all([timed('/livez'), timed('/ready'), timed<HealthDetails>('/health/details')]);
      expect([live.status, ready.status, details.status]).toEqual([200, 503, 200]);
      expect(live.ms).toBeLessThan(900);
      expect(Math.max(ready.ms, details.ms)).toBeLessThan(2_000);
      expect(ready.body).toEqual({ status: 'unready', failing: ['disk'] });
      expect(details.body).toMatchObject({
        status: 'limited',
        services: { disk: { reason: 'It did not answer in time.' }, storage: { status: 'ok' } },
      });
      const again = await timed('/ready');
      expect([again.status, again.ms < 500]).toEqual([503, true]);
      expect((await admin.run('show', { value: 'x' })).status).toBe('succeeded');
      await eventually(async () => (await admin.get('/ready')).status === 200);
    },
    30_000,
  );
});
