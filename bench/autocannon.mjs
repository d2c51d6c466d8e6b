// Called as: node autocannon.mjs '<options as JSON>'. Prints what was measured as JSON. A process of its own, so that it shares no loop.
import autocannon from 'autocannon';

const [, , options] = process.argv;
const run = autocannon({ ...JSON.parse(options), sampleInt: 100 });
const latencies = [];
let refused = 0;

// autocannon's own percentiles are whole milliseconds.
run.on('response', (_client, status, _bytes, milliseconds) => {
  latencies.push(milliseconds);
  if (status < 200 || status > 299) refused += 1;
});

const { errors, timeouts, mismatches, resets, duration } = await run;
const sorted = Float64Array.from(latencies).sort();
const percentile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
console.log(
  JSON.stringify({
    requests: sorted.length,
    seconds: duration,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    failures: errors + timeouts + mismatches + resets + refused,
  }),
);
