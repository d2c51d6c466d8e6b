import { afterEach, describe, expect, it } from '@jest/globals';
import { ERRORS } from '../src/domain/errors.js';
import { Metrics } from '../src/metrics/metrics.js';
import { REDACTION_KINDS } from '../src/redaction/masks.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command, exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { parseScrape, type Scrape } from './kit/scrape.js';

afterEach(stopGateways);

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0';

async function scrape(gateway: TestGateway): Promise<Scrape> {
  return parseScrape((await gateway.anonymous().get<string>('/metrics')).body);
}

describe('metrics', () => {
  it('begin at zero, so that the first of anything counts in a rate', async () => {
    const gateway = await startGateway({
      commands: { show, fragile: { ...exits, breaker: 'thin-ice' }, patient: command({ exec: ['false'], retry: { attempts: 2 } }) },
    });
    const { samples } = await scrape(gateway);
    const labelsOf = (name: string) => samples.filter((sample) => sample.name === name && sample.value === 0).map(({ labels }) => labels);
    expect(labelsOf('errors_total')).toEqual(Object.keys(ERRORS).map((code) => ({ code })));
    expect(labelsOf('redactions_total')).toEqual(REDACTION_KINDS.map((kind) => ({ kind })));
    expect(labelsOf('runs_total')).toHaveLength(3 * 6);
    expect(labelsOf('runs_failed_total')).toEqual([{ command: 'fragile' }, { command: 'patient' }, { command: 'show' }]);
    expect(labelsOf('retries_total')).toEqual([{ command: 'patient' }]);
    expect(labelsOf('auth_failures_total').map(({ reason }) => reason)).toContain('expired');
    expect(labelsOf('rate_limited_total')).toHaveLength(3);
    expect(labelsOf('breaker_transitions_total').map(({ to }) => to)).toEqual(['closed', 'half_open', 'open']);
    await gateway.anonymous().get('/health');
    const requests = (await scrape(gateway)).samples.filter(
      ({ name, labels }) => name === 'http_requests_total' && labels['route'] === '/health',
    );
    expect(requests.map(({ labels: { status }, value }) => [status, value]).toSorted()).toEqual([
      ['200', 1],
      ['500', 0],
    ]);
  });

  it('are OpenMetrics for whoever asks, where timings name a trace and a run', async () => {
    const gateway = await startGateway({ commands: { show } });
    const caller = await gateway.as('operator');
    const traceId = 'a1b2c3d4'.repeat(4);
    const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
    const { body: run } = await caller.post<RunEnvelope>('/run', { command: 'show', args: { value: 'x' } }, headers);
    const answer = await gateway.anonymous().get<string>('/metrics', { accept: OPENMETRICS });
    expect(answer.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(answer.headers.get('vary')).toContain('Accept');
    expect(answer.body).toMatch(/\n# EOF\n$/);
    expect(answer.body).toMatch(/^# TYPE sallyport_runs counter$/m);
    expect(answer.body).toMatch(/^sallyport_runs_total\{command="show",outcome="exited"\} 1$/m);
    const bucket = /^sallyport_(\w+)_bucket\{.*\} \d+ # \{(\w+)="(\w+)"\} /gm;
    const exemplars = [...answer.body.matchAll(bucket)].map(([, ...found]) => found.join(' '));
    expect(exemplars).toContain(`http_request_duration_seconds trace_id ${traceId}`);
    expect(exemplars).toContain(`run_duration_seconds run_id ${run.id}`);
    const text = await gateway.anonymous().get<string>('/metrics');
    expect(text.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text.body).toMatch(/^# TYPE sallyport_runs_total counter$/m);
    expect(text.body).not.toContain('trace_id');
  });

  it('that fail make no request fail, no run and no scrape, and are counted', async () => {
    const lines: string[] = [];
    const gateway = await startGateway({ commands: { show }, onLog: (line) => lines.push(line), settings: { LOG_LEVEL: 'warn' } });
    const metrics = gateway.server.app.get(Metrics);
    const caller = await gateway.as('operator');
    // No label is known any more, and a gauge that looks for its value finds an error.
    const ours = metrics.registry.getMetricsAsArray().filter(({ name }) => name.startsWith('sallyport_'));
    for (const metric of ours) Object.assign(metric, { labelNames: [], sortedLabelNames: [] });
    metrics.show(metrics.runsLimit, () => {
      throw new Error('the room is gone');
    });
    expect((await caller.run('show', { value: 'x' })).status).toBe('succeeded');
    expect((await gateway.anonymous().get('/auth/me')).status).toBe(401);
    expect((await gateway.anonymous().get('/nowhere')).status).toBe(404);
    expect((await gateway.anonymous().get('/metrics')).status).toBe(200);
    const { value, samples } = await scrape(gateway);
    expect(value('metrics_failures_total')).toBeGreaterThan(8);
    expect(samples.some(({ name }) => name === 'runs_limit')).toBe(false);
    expect(value('runs_queue_limit')).toBe(1_000);
    expect(lines.filter((line) => line.includes('could not be measured'))).toHaveLength(1);
  });

  it('show a breaker that opens, and one that was never needed', async () => {
    const gateway = await startGateway({
      commands: { fragile: { ...exits, breaker: 'thin-ice' }, other: { ...exits, breaker: 'solid' } },
    });
    const caller = await gateway.as('operator');
    for (let failures = 0; failures < 5; failures++) await caller.run('fragile', { code: 1 });
    expect(await caller.refused({ command: 'fragile', args: { code: 0 } })).toMatchObject({ code: 'breaker_open' });
    const { value } = await scrape(gateway);
    expect([value('breaker_state', { name: 'thin-ice' }), value('breaker_state', { name: 'solid' })]).toEqual([2, 0]);
    expect(value('breaker_transitions_total', { name: 'thin-ice', to: 'open' })).toBe(1);
    expect(value('runs_failed_total', { command: 'fragile' })).toBe(5);
    expect(value('errors_total', { code: 'breaker_open' })).toBe(1);
  });

  it('show how long runs wait, what is left of room, and that the rooms are well', async () => {
    const gateway = await startGateway({ commands: { single: { ...sleeper, limits: { concurrent: 1 } } } });
    const caller = await gateway.as('operator');
    const ids = [];
    for (let count = 0; count < 2; count++)
      ids.push((await caller.post<RunEnvelope>('/run', { command: 'single' }, { prefer: 'respond-async' })).body.id);
    const waiting = await eventually(async () => {
      const found = await scrape(gateway);
      return found.value('runs_longest_wait_seconds') > 0.05 && found;
    });
    expect([waiting.value('runs_active'), waiting.value('runs_queued'), waiting.value('runs_limit')]).toEqual([1, 1, 64]);
    for (const id of ids.toReversed()) await caller.post(`/runs/${id}/cancel`);
    const after = await eventually(async () => {
      const found = await scrape(gateway);
      return found.value('runs_total') === 2 && found;
    });
    expect(after.value('runs_longest_wait_seconds')).toBe(0);
    expect(after.value('run_queue_seconds_count')).toBe(1);
    expect(after.value('storage_commits_total')).toBeGreaterThanOrEqual(4);
    expect(after.value('storage_transactions_total')).toBeGreaterThanOrEqual(4);
    expect(after.value('service_healthy')).toBe(4);
    expect(after.value('executor_hosts')).toBeGreaterThanOrEqual(1);
    expect(after.value('build_info')).toBe(1);
    for (const what of ['disk', 'memory']) {
      const left = after.value(what === 'disk' ? 'disk_free_bytes' : 'memory_available_bytes');
      expect([what, left > 0, left <= after.value(what === 'disk' ? 'disk_size_bytes' : 'memory_limit_bytes')]).toEqual([what, true, true]);
    }
  });

  it('count what is refused within a batch like what is refused alone', async () => {
    const gateway = await startGateway({ commands: { show } });
    const caller = await gateway.as('operator');
    const { status } = await caller.post('/batch', {
      items: [{ command: 'nope' }, { command: 'show' }, { command: 'show', args: { value: 'x' } }],
    });
    expect(status).toBe(200);
    const { value } = await scrape(gateway);
    expect([value('errors_total', { code: 'command_unknown' }), value('errors_total', { code: 'invalid_arguments' })]).toEqual([1, 1]);
    expect(value('errors_total')).toBe(2);
  });

  it('count an executor host that goes away', async () => {
    const gateway = await startGateway({ commands: { show } });
    const [pid] = gateway.server.gateway.parts.launcher.hostPids;
    process.kill(pid ?? NaN, 'SIGKILL');
    await eventually(async () => (await scrape(gateway)).value('executor_hosts_lost_total') === 1);
  });
});
