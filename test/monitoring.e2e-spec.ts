import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { generateKey } from '../src/auth/key-format.js';
import { ERRORS } from '../src/domain/errors.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { fixture } from './fixtures/fixture.js';
import { command, exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { freePort } from './kit/free-port.js';
import { Caller } from './kit/gateway.js';
import { type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { KIT, Prometheus, startAlertmanager, stopTools, tool, withPrometheus } from './kit/prometheus.js';
import { SAMPLE_SECRETS } from './kit/sample-secrets.js';

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Notice {
  readonly receiver: string;
  readonly status: string;
  readonly alertname: string;
}

const folder = mkdtempSync(join(tmpdir(), 'sallyport-monitoring-'));
const secretsFile = join(folder, 'secrets.txt');

const rules = ['recording.yml', 'alerts.yml'].flatMap((file) =>
  (parse(readFileSync(join(KIT, 'prometheus/rules', file), 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
    (group) => group.rules,
  ),
);
const alerts = rules.filter(({ alert }) => alert !== undefined);

/** Every expression of every dashboard, with what Grafana would put into it. */
const panels = readdirSync(join(KIT, 'grafana/dashboards')).flatMap((file) => {
  const { panels } = JSON.parse(readFileSync(join(KIT, 'grafana/dashboards', file), 'utf8')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      where: `${file}: ${title}`,
      expr: expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h'),
    })),
  );
});

/** The same expression, but comparisons say 0 or 1 instead of leaving out: empty, it then lacks a series. */
function asTruthValue(expr: string): string {
  const matchers: string[] = [];
  const bare = expr.replaceAll(/\{[^}]*\}/g, (matcher) => `«${matchers.push(matcher) - 1}»`);
  const compared = bare.replaceAll(/ (==|!=|>=|<=|>|<) /g, ' $1 bool ').replace(/^absent\((.*)\)$/, '$1');
  return compared.replaceAll(/«(\d+)»/g, (_all, index: string) => matchers[Number(index)] ?? '');
}

describe('the monitoring kit', () => {
  withPrometheus(
    'is valid, and its rules fire and stay silent as their tests say',
    () => {
      const file = (name: string) => join(KIT, name);
      for (const [program, args] of [
        ['promtool', ['check', 'config', file('prometheus/prometheus.yml')]],
        ['promtool', ['check', 'rules', ...['recording', 'alerts'].map((name) => file(`prometheus/rules/${name}.yml`))]],
        ['promtool', ['test', 'rules', file('prometheus/tests/alerts.test.yml')]],
        ['amtool', ['check-config', file('alertmanager/alertmanager.yml')]],
      ] as const)
        expect([args.join(' '), tool(program, args)]).toEqual([args.join(' '), expect.objectContaining({ status: 0 })]);
      return Promise.resolve();
    },
    120_000,
  );

  withPrometheus('sends each alert to whom its severity says', () => {
    for (const [severity, receiver] of Object.entries({ critical: 'pager', warning: 'office', info: 'journal' })) {
      const routes = ['config', 'routes', 'test', '--config.file', join(KIT, 'alertmanager/alertmanager.yml')];
      expect(tool('amtool', [...routes, `--verify.receivers=${receiver}`, `severity=${severity}`, 'alertname=X'])).toMatchObject({
        status: 0,
      });
    }
    expect(alerts.filter(({ labels }) => !['critical', 'warning', 'info'].includes(labels?.['severity'] ?? ''))).toEqual([]);
    return Promise.resolve();
  });

  it('has a test and a line of the operator’s page for each alert', () => {
    const tests = readFileSync(join(KIT, 'prometheus/tests/alerts.test.yml'), 'utf8');
    const page = readFileSync('docs/monitoring.md', 'utf8');
    const names = alerts.map(({ alert = '' }) => alert);
    expect(names.filter((name) => !tests.includes(`alertname="${name}"`))).toEqual([]);
    expect(names.filter((name) => !page.includes(`[\`${name}\`](runbooks/${name}.md)`))).toEqual([]);
  });

  it('has a runbook for each alert, which the alert names, and none beside', () => {
    const names = alerts.map(({ alert = '' }) => alert);
    expect(readdirSync('docs/runbooks').toSorted()).toEqual(names.map((name) => `${name}.md`).toSorted());
    expect(alerts.map(({ annotations }) => annotations?.['runbook'])).toEqual(names.map((name) => `docs/runbooks/${name}.md`));
    for (const name of names) {
      const text = readFileSync(`docs/runbooks/${name}.md`, 'utf8');
      const titles = ['What it means', 'How to confirm', 'How to mend it', 'How to prevent it'];
      expect(text.split('\n').filter((line) => line.startsWith('#'))).toEqual([`# ${name}`, ...titles.map((title) => `## ${title}`)]);
      const targets = [...text.matchAll(/\]\(([^)#]+)/g)].map(([, target = '']) => join('docs/runbooks', target));
      expect([name, targets.filter((target) => !existsSync(target))]).toEqual([name, []]);
    }
  });

  it('asks for no error code that there is not, and counts every denial as one', () => {
    const codesOf = ({ expr }: Rule) => [...expr.matchAll(/code=~?"([^"]+)"/g)].flatMap(([, codes = '']) => codes.split('|'));
    expect(rules.flatMap(codesOf).filter((code) => !(code in ERRORS))).toEqual([]);
    const denials = rules.filter(({ record }) => record === 'instance_code:sallyport_denials:rate5m').flatMap(codesOf);
    // Whoever has no valid key is counted as an authentication failure.
    const policy = Object.entries(ERRORS).flatMap(([code, { status }]) => ([403, 421, 423].includes(status) ? [code] : []));
    expect(policy.filter((code) => !denials.includes(code))).toEqual([]);
  });
});

describe('a gateway that a real Prometheus scrapes', () => {
  let home: ProgramHome;
  let port: number;
  let admin: Caller;
  let prometheus: Prometheus;
  let receiver: Server;
  const notices: Notice[] = [];

  beforeAll(async () => {
    writeFileSync(secretsFile, `${SAMPLE_SECRETS.map(({ line }) => line).join('\n')}\n`);
    home = programHome({
      commands: {
        show,
        exits,
        hangs: { ...sleeper, timeout: '50ms' },
        sleeper,
        rare: { ...exits, limits: { rate: '1/h' } },
        cached: command({ exec: ['date'], cache: '1min' }),
        flaky: command({ exec: ['false'], retry: { attempts: 2 } }),
        fragile: { ...exits, breaker: 'thin-ice' },
        leaks: command({ exec: [fixture('prints-file'), secretsFile] }),
      },
    });
  });
  afterAll(async () => {
    await stopTools();
    await removeHomes();
    receiver?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    port = await freePort();
    admin = await (await home.serve({ PORT: String(port) })).as(home.adminKey);
    receiver = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => void (body += text));
      request.on('end', () => {
        response.end();
        const { alerts } = JSON.parse(body) as { alerts: { status: string; labels: { alertname: string } }[] };
        for (const { status, labels } of alerts)
          notices.push({ receiver: (request.url ?? '').slice(1), status, alertname: labels.alertname });
      });
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const alertmanager = await freePort();
    const place = join(folder, 'prometheus');
    mkdirSync(place);
    await startAlertmanager(folder, alertmanager, `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`);
    prometheus = await Prometheus.start({ folder: place, gateway: port, alertmanager });
  }

  /** Something of everything that is counted. */
  async function makeTraffic(): Promise<void> {
    const anonymous = new Caller(admin.url, undefined);
    const readonly = new Caller(
      admin.url,
      (await admin.post<{ key: string }>('/auth/token', { name: 'reader', role: 'readonly' })).body.key,
    );
    const named = { 'idempotency-key': 'monitoring' };
    const long = await admin.post<RunEnvelope>('/run', { command: 'sleeper' }, { prefer: 'respond-async' });
    await Promise.all([
      admin.run('show', { value: 'x' }),
      admin.run('exits', { code: 3 }),
      admin.run('hangs'),
      admin.run('flaky'),
      admin.run('leaks'),
      admin.run('cached').then(() => admin.run('cached')),
      ...Array.from({ length: 2 }, () => admin.post('/run', { command: 'rare', args: { code: 0 } })),
      admin.post('/run', { command: 'show', args: { value: 'y' } }, named).then(() => admin.post('/run', { command: 'show' }, named)),
      ...Array.from({ length: 6 }, () => admin.post('/run', { command: 'fragile', args: { code: 1 } })),
      admin.post('/batch', { items: [{ command: 'show', args: { value: 'z' } }] }),
      admin.stream({ command: 'show', args: { value: 'streamed' } }),
      readonly.post('/run', { command: 'show' }),
      admin.post('/run', { command: 'nope' }),
      admin.post('/run', { command: 'show', args: { nope: 1 } }),
      anonymous.get('/auth/me'),
      anonymous.get('/auth/me', { 'x-api-key': generateKey().text }),
      ...['/nowhere', '/health', '/ready'].map((path) => anonymous.get(path)),
      ...['/runs', '/commands', '/audit'].map((path) => admin.get(path)),
    ]);
    await admin.post(`/runs/${long.body.id}/cancel`);
  }

  withPrometheus(
    'lacks no series that a rule or a dashboard asks for',
    async () => {
      await start();
      await makeTraffic();
      await eventually(async () => Number((await prometheus.query('sum(sallyport_runs_total)'))[0]?.value[1]) > 8, 60_000, 200);
      await makeTraffic();
      // Twice seen, rates have something to go by; after another second the rules have, too.
      const told = async () =>
        (await prometheus.query('instance_command:sallyport_run_duration_seconds:p95_5m{command="leaks"}')).length > 0;
      await eventually(told, 60_000, 200);
      const asked = [
        ...panels,
        ...rules.map(({ alert, record, expr }) => ({ where: `rule ${alert ?? record ?? ''}`, expr: asTruthValue(expr) })),
        ...rules.flatMap(({ record }) => (record === undefined ? [] : [{ where: 'recorded', expr: record }])),
        // Only gateways with HTTPS have it; their own test looks for it.
      ].filter(({ expr }) => !expr.includes('sallyport_tls_certificate_expiry_timestamp_seconds'));
      expect(asked.length).toBeGreaterThan(120);
      const emptyOnes = async () => {
        const found = await Promise.all(
          asked.map(async ({ where, expr }) => ({ where, expr, series: (await prometheus.query(expr)).length })),
        );
        return found.filter(({ series }) => series === 0).map(({ where, expr }) => ({ where, expr }));
      };
      await eventually(async () => (await emptyOnes()).length === 0, 5_000, 500).catch(() => undefined);
      expect(await emptyOnes()).toEqual([]);
      expect((await prometheus.rules()).filter(({ health }) => health !== 'ok')).toEqual([]);
    },
    120_000,
  );

  withPrometheus('is scraped as OpenMetrics, and its latencies lead to traces and runs', async () => {
    const labels = async (name: string) =>
      (await prometheus.exemplars(`sallyport_${name}_seconds_bucket`)).flatMap(({ exemplars }) =>
        exemplars.flatMap(({ labels }) => Object.keys(labels)),
      );
    expect(await labels('http_request_duration')).toContain('trace_id');
    expect(await labels('run_duration')).toContain('run_id');
    const text = (await admin.get<string>('/metrics')).body;
    const ours = text.replaceAll(/^(?:# \w+ )?(?!# |sallyport_).*\n/gm, '').replaceAll(/^# \w+ (?!sallyport_).*\n/gm, '');
    expect(ours).toContain('sallyport_build_info');
    expect(tool('promtool', ['check', 'metrics'], ours)).toEqual({ status: 0, said: '' });
  });

  /** What Alertmanager has told anybody since the `already`-th notice, each thing once. */
  const toldSince = (already: number, who: string) =>
    [...new Set(notices.slice(already).map(({ receiver, alertname, status }) => `${receiver}: ${alertname} ${status}`))].filter((line) =>
      line.startsWith(who),
    );

  withPrometheus(
    'wakes somebody when its store fails and runs are refused, says so when that is over, and keeps quiet what came of it',
    async () => {
      const database = join(home.dataDir, 'sallyport.db');
      const firing = async () =>
        (await prometheus.query('ALERTS{alertstate="firing",severity="critical"}')).map(({ metric }) => metric['alertname']);
      // The traffic above, errors and all, may have been told; this begins when that is over.
      const lastOf = (name: string) => notices.findLast(({ receiver, alertname }) => receiver === 'pager' && alertname === name)?.status;
      const over = () => notices.every(({ receiver, alertname }) => receiver !== 'pager' || lastOf(alertname) === 'resolved');
      await eventually(async () => over() && (await firing()).length === 0, 60_000, 100);
      const already = notices.length;
      renameSync(database, `${database}.away`);
      await eventually(
        async () => {
          expect((await admin.post('/run', { command: 'show', args: { value: 'x' } })).status).toBe(503);
          expect(await firing()).toEqual(expect.arrayContaining(['SallyportErrorRateHigh', 'SallyportStoreRefuses']));
          return toldSince(already, 'pager').includes('pager: SallyportServiceFailing firing');
        },
        60_000,
        100,
      );
      await home.stopAll();
      renameSync(`${database}.away`, database);
      admin = await (await home.serve({ PORT: String(port) })).as(home.adminKey);
      await eventually(() => toldSince(already, 'pager').includes('pager: SallyportServiceFailing resolved'), 60_000, 100);
      await eventually(async () => (await firing()).length === 0, 60_000, 100);
      expect(toldSince(already, 'pager').filter((line) => !line.startsWith('pager: SallyportDown '))).toEqual([
        'pager: SallyportServiceFailing firing',
        'pager: SallyportServiceFailing resolved',
      ]);
    },
    120_000,
  );

  withPrometheus(
    'tells of errors in bursts and of runs that the tripwire keeps stopping, and says so when that is over',
    async () => {
      const already = notices.length;
      const told = (status: string) => {
        expect(toldSince(already, '')).toEqual(
          expect.arrayContaining([`pager: SallyportErrorRateHigh ${status}`, `office: SallyportBlockedCommandBurst ${status}`]),
        );
        return true;
      };
      await eventually(
        async () => {
          // Its breaker opens: a 503 for every caller.
          await admin.post('/run', { command: 'fragile', args: { code: 1 } });
          expect((await admin.post('/run', { command: 'show', args: { value: 'rm -rf /' } })).status).toBe(403);
          return told('firing');
        },
        60_000,
        50,
      );
      await eventually(() => told('resolved'), 60_000, 100);
    },
    120_000,
  );
});
