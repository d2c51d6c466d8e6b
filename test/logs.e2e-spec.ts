import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { generateKey } from '../src/auth/key-format.js';
import type { HealthDetails } from '../src/health/health-details.js';
import { secretForms } from '../src/redaction/secret-forms.js';
import { show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import type { Caller } from './kit/gateway.js';
import { parseLog, sendHostileRequests } from './kit/hostile-requests.js';
import { type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { exchange, requestText } from './kit/raw-http.js';
import { parseScrape } from './kit/scrape.js';

afterEach(removeHomes);

const HOSTILE_REQUESTS = 300;

interface Place {
  readonly home: ProgramHome;
  readonly server: Program;
  readonly admin: Caller;
  readonly logs: string;
}

async function serve(settings: Readonly<Record<string, string>> = {}, logDir = 'logs'): Promise<Place> {
  const home = programHome({ commands: { show, sleeper } });
  const server = await home.serve({ LOG_DIR: logDir, ...settings });
  return { home, server, admin: await server.as(home.adminKey), logs: join(home.folder, logDir) };
}

const requestsIn = (folder: string) => parseLog(readFileSync(join(folder, 'api_requests.log'), 'utf8'));
const routesIn = (folder: string) => requestsIn(folder).map(({ route }) => route);

const many = (admin: Caller, count: number) => Promise.all(Array.from({ length: count }, () => admin.get('/health')));

describe('with LOG_DIR', () => {
  it('requests are logged in a file of their own, for the user and group of the gateway; what it says of itself is not', async () => {
    const { server, admin, logs } = await serve();
    await admin.run('show', { value: 'x' });
    const [line] = await eventually(() => requestsIn(logs).length > 0 && requestsIn(logs));
    expect(line).toMatchObject({ level: 'info', route: '/run', status: 200, address: '127.0.0.1', message: 'request' });
    expect([statSync(logs).mode & 0o777, statSync(join(logs, 'api_requests.log')).mode & 0o777]).toEqual([0o750, 0o640]);
    await server.end('SIGTERM');
    expect(server.log().map(({ message }) => message)).toContain('stopped');
    expect(server.stdout).not.toContain('"route"');
    expect(readdirSync(logs)).toEqual(['api_requests.log']);
  });

  it('a folder that cannot be written is told, and stops nothing', async () => {
    const { server, admin, logs } = await serve();
    await admin.get('/health');
    await eventually(() => routesIn(logs).includes('/health'));
    renameSync(logs, `${logs}.away`);
    writeFileSync(logs, 'a file in its place');
    const writable = async () => {
      const scrape = parseScrape((await admin.get<string>('/metrics')).body);
      return ['application', 'requests'].map((log) => scrape.value('log_writable', { log }));
    };
    await eventually(async () => expect(await writable()).toEqual([1, 0]), 10_000, 50);
    expect((await admin.get('/ready')).status).toBe(200);
    const { status, services } = (await admin.get<HealthDetails>('/health/details')).body;
    const reason = expect.stringMatching(/^The log of the requests cannot be written: \w/);
    expect([status, services['log']]).toEqual(['degraded', expect.objectContaining({ status: 'warning', critical: false, reason })]);
    expect((await admin.run('show', { value: 'x' })).status).toBe('succeeded');
    const complaint = { level: 'error', message: expect.stringMatching(/^the log of the requests cannot be written/) };
    await eventually(() => expect(server.complaints()).toEqual([expect.objectContaining(complaint)]));
    rmSync(logs);
    await eventually(async () => expect(await writable()).toEqual([1, 1]), 10_000, 50);
    await eventually(async () => (await admin.get<HealthDetails>('/health/details')).body.services['log']?.status === 'ok');
    expect(routesIn(logs)).toContain('/run');
    expect((await server.end('SIGTERM')).code).toBe(0);
  });
});

describe('of every answer there is a line', () => {
  it.each(['logs', undefined])('after a stop, also a hurried one (LOG_DIR: %s)', async (logDir) => {
    const { server, admin, logs } = await serve(logDir === undefined ? { LOG_DIR: '' } : {});
    const run = admin.post('/run', { command: 'sleeper' });
    const answers = await many(admin, 100);
    server.kill('SIGTERM');
    await eventually(() => server.log().some(({ message }) => String(message).startsWith('stopping')));
    await server.end('SIGTERM');
    expect((await run).status).toBe(200);
    const lines = logDir === undefined ? parseLog(server.stdout).filter(({ message }) => message === 'request') : requestsIn(logs);
    const ids = lines.map((line) => line['request_id']);
    expect(ids).toHaveLength(101);
    for (const { headers } of answers) expect(ids).toContain(headers.get('x-request-id'));
  });

  it('after an error that nobody handled', async () => {
    const bug = 'data:text/javascript,process.on(%22SIGUSR2%22,()=>{throw(new(Error)(%22unforeseen%22))})';
    const { server, admin, logs } = await serve({ NODE_OPTIONS: `--import=${bug}` });
    await many(admin, 100);
    const { code } = await server.end('SIGUSR2');
    expect([code, routesIn(logs)]).toEqual([70, Array.from({ length: 100 }, () => '/health')]);
    expect(parseLog(server.stdout.replaceAll('"level":"fatal"', '"level":"error"')).at(-1)).toMatchObject({
      err: { message: 'unforeseen' },
    });
  });

  it('that is older than a moment when the gateway is killed, and no line is cut', async () => {
    const { home, server, admin, logs } = await serve();
    await many(admin, 50);
    await eventually(() => expect(requestsIn(logs)).toHaveLength(50), 2_000);
    await many(admin, 50);
    await server.end('SIGKILL');
    expect(requestsIn(logs).length).toBeGreaterThanOrEqual(50);
    const next = await home.serve({ LOG_DIR: 'logs' });
    await many(await next.as(home.adminKey), 3);
    await next.end('SIGTERM');
    expect(requestsIn(logs).length).toBeGreaterThanOrEqual(53);
  });
});

describe('whatever is sent', () => {
  it('every line of both logs is JSON of ours, at every level (T44), and holds no secret (A6, T40)', async () => {
    const { home, server, admin, logs } = await serve({ LOG_LEVEL: 'trace', TRUSTED_PROXIES: '127.0.0.1' });
    const wrong = generateKey().text;
    const password = 'Can"ary/' + '7 & kéy?x9';
    const basic = Buffer.from(`admin:${password}`).toString('base64');
    expect(await sendHostileRequests(admin.url, HOSTILE_REQUESTS, home.adminKey)).toBeGreaterThan(HOSTILE_REQUESTS * 0.9);
    for (const secret of [home.adminKey, wrong]) {
      const headers = [
        `User-Agent: key ${secret}`,
        `X-Request-Id: ${secret}`,
        `X-Forwarded-For: ${secret}`,
        `Authorization: Basic ${basic}`,
      ];
      await exchange(admin.url, requestText('GET', `/runs/${secret}?password=${secret}`, headers));
    }
    await admin.get(`/runs/${encodeURIComponent(password)}?password=${encodeURIComponent(password)}`);
    home.write('commands/broken.yaml', `commands: {x: {exec: [${JSON.stringify(password)}`);
    await admin.post('/config/reload');
    await admin.post('/run', { command: 'show', args: { value: password, other: password } });
    await server.end('SIGTERM');
    const [application, requests] = [server.stdout, readFileSync(join(logs, 'api_requests.log'), 'utf8')];
    // What no HTTP can be read from is answered, but is no request.
    const lines = parseLog(requests);
    expect(lines.length).toBeGreaterThan(HOSTILE_REQUESTS / 3);
    expect(parseLog(application).length).toBeGreaterThan(2);
    for (const line of lines) {
      expect(line).toMatchObject({ level: 'info', trace_id: expect.stringMatching(/^[0-9a-f]{32}$/), message: 'request' });
      expect(Object.keys(line).every((name) => FIELDS.includes(name))).toBe(true);
      expect(String(line['route'])).toMatch(/^(?:\/[\w./:*-]*|unmatched)$/);
    }
    const forms = [home.adminKey, wrong, password, basic].flatMap((secret) => secretForms([secret])).filter(({ length }) => length >= 8);
    for (const [log, text] of Object.entries({ application, requests }))
      expect([log, forms.filter((form) => text.includes(form))]).toEqual([log, []]);
  }, 60_000);
});

const FIELDS = [
  ...['level', 'time', 'request_id', 'trace_id', 'method', 'route', 'status', 'latency_ms', 'key_id', 'address', 'user_agent'],
  'message',
];
