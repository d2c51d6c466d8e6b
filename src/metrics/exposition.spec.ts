import { describe, expect, it } from '@jest/globals';
import { Counter, Gauge, Histogram } from 'prom-client';
import { expose, expositionFor, openRegistry } from './exposition.js';

const nobody = (error: unknown): never => {
  throw error;
};

function sampleRegistry(): ReturnType<typeof openRegistry> {
  const registry = openRegistry();
  const requests = new Counter({
    name: 'requests_total',
    help: 'A "quoted" help\nof two lines',
    labelNames: ['route', 'status'],
    registers: [registry],
  });
  requests.inc({ route: 'a"b\\c\nd', status: 500 });
  const seconds = new Histogram({ name: 'seconds', help: 'Time', buckets: [0.5, 1], enableExemplars: true, registers: [registry] });
  seconds.observe({ value: 0.75, exemplarLabels: { trace_id: 'abc' } });
  seconds.observe({ value: 7 });
  new Gauge({ name: 'odd', help: 'Odd', registers: [registry] }).set(Infinity);
  return registry;
}

describe('metrics are told', () => {
  it('in both forms from one registry, in any order', async () => {
    const registry = sampleRegistry();
    const open = await expose(registry, 'openmetrics', nobody);
    const text = await expose(registry, 'text', nobody);
    expect(text).toBe(`# HELP requests_total A "quoted" help\\nof two lines
# TYPE requests_total counter
requests_total{route="a\\"b\\\\c\\nd",status="500"} 1
# HELP seconds Time
# TYPE seconds histogram
seconds_bucket{le="0.5"} 0
seconds_bucket{le="1"} 1
seconds_bucket{le="+Inf"} 2
seconds_sum 7.75
seconds_count 2
# HELP odd Odd
# TYPE odd gauge
odd +Inf
`);
    expect(open.replace(/ \d{10}\.\d+$/m, ' NOW')).toBe(`# HELP requests A \\"quoted\\" help\\nof two lines
# TYPE requests counter
requests_total{route="a\\"b\\\\c\\nd",status="500"} 1
# HELP seconds Time
# TYPE seconds histogram
seconds_bucket{le="0.5"} 0
seconds_bucket{le="1.0"} 1 # {trace_id="abc"} 0.75 NOW
seconds_bucket{le="+Inf"} 2
seconds_sum 7.75
seconds_count 2
# HELP odd Odd
# TYPE odd gauge
odd +Inf
# EOF
`);
    expect(await expose(registry, 'openmetrics', nobody)).toBe(open);
  });

  it('without those that fail or hang, and each of these is noted', async () => {
    const registry = sampleRegistry();
    const broken = (name: string, collect: () => void | Promise<void>) =>
      new Gauge({ name, help: 'Broken', registers: [registry], collect });
    broken('fails', () => nobody(new Error('broken')));
    broken('hangs', () => new Promise(() => undefined));
    const failures: unknown[] = [];
    const text = await expose(registry, 'text', (error) => failures.push(error));
    expect(text).toContain('requests_total{');
    expect(text).not.toMatch(/fails|hangs/);
    expect(failures.map((error) => (error as Error).message).toSorted()).toEqual(['A metric did not find its values in time.', 'broken']);
  });

  it.each([
    [undefined, 'text'],
    ['*/*', 'text'],
    ['text/html', 'text'],
    ['application/openmetrics-text', 'openmetrics'],
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'openmetrics',
    ],
    ['application/openmetrics-text; version=1.0.0; q=0.4, text/plain; q=0.5', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=nonsense', 'text'],
  ])('to whoever accepts %p as %s', (accept, exposition) => {
    expect(expositionFor(accept)).toBe(exposition);
  });
});
