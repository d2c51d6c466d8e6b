// What metrics cost: the time of a request for measuring it, and of a scrape at 5,000 series. Needs a build. Processor time, not wall time.
import { expose } from '../dist/metrics/exposition.js';
import { measureRequests } from '../dist/metrics/http-metrics.js';
import { Metrics } from '../dist/metrics/metrics.js';

const SERIES = 5_000;
const REQUESTS = 200_000;
const SCRAPES = 50;

const metrics = new Metrics();
let onRequest;
const onEnd = measureRequests({ addHook: (_name, hook) => (onRequest = hook) }, metrics, () => performance.now());
const requests = ['/run', '/runs', '/runs/:id', '/health'].map((template, index) => ({
  method: 'GET',
  destination: { template },
  context: { startedAt: performance.now(), traceId: `${index}`.repeat(32) },
}));

measure(REQUESTS / 10, request);
console.log(`a request: ${(1000 * measure(REQUESTS, request)).toFixed(2)} µs`);

for (let command = 0; seriesCount() < SERIES; command++) {
  metrics.runs.inc({ command: `command.${command}`, outcome: 'exited' });
  metrics.time(metrics.runDuration, { command: `command.${command}` }, 0.01, { run_id: `run_${command}` });
}
for (const exposition of ['text', 'openmetrics']) {
  const text = await metrics.expose(exposition);
  const before = process.cpuUsage();
  for (let scrape = 0; scrape < SCRAPES; scrape++) await expose(metrics.registry, exposition, fail);
  console.log(
    `a scrape of ${seriesCount()} series as ${exposition}: ${(spent(before) / SCRAPES).toFixed(1)} ms, ${Math.round(text.length / 1024)} KiB`,
  );
}
process.exit();

function request(number) {
  const one = requests[number % requests.length];
  onRequest(one, undefined, () => undefined);
  onEnd(one, 200);
}

/** Milliseconds of processor time for each. */
function measure(count, work) {
  const before = process.cpuUsage();
  for (let number = 0; number < count; number++) work(number);
  return spent(before) / count;
}

function spent(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function seriesCount() {
  return metrics.registry
    .getMetricsAsArray()
    .flatMap((metric) => Object.values(metric.hashMap ?? {}))
    .reduce((sum, { bucketValues }) => sum + (bucketValues ? Object.keys(bucketValues).length + 3 : 1), 0);
}

function fail(error) {
  throw error;
}
