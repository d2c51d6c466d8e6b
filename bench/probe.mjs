// Called as: node probe.mjs '<{url, method, headers, seconds} as JSON>'. A caller who asks now and then over one connection, as a health
// check does: it loads nothing. Prints what it saw as JSON, like the load generators. A process of its own, so that it shares no loop.
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 5;

const { url, method, headers, seconds } = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const latencies = [];
let failures = 0;

const startedAt = performance.now();
const endsAt = startedAt + seconds * 1000;
for (let next = startedAt; next < endsAt; next = Math.max(next + EVERY_MS, performance.now())) {
  await sleep(Math.max(0, next - performance.now()));
  const sentAt = performance.now();
  if (!(await isAnswered())) failures += 1;
  // What a late answer kept from being asked would have waited too.
  for (let waited = performance.now() - sentAt; waited > 0; waited -= EVERY_MS) latencies.push(waited);
}
agent.destroy();

const sorted = Float64Array.from(latencies).sort();
const percentile = (share) => sorted[Math.floor(sorted.length * share)] ?? null;
console.log(JSON.stringify({ requests: sorted.length, seconds, p50Ms: percentile(0.5), p99Ms: percentile(0.99), failures }));

async function isAnswered() {
  const asked = request(url, { method, headers, agent }).end();
  const [answer] = await once(asked, 'response');
  answer.resume();
  await once(answer, 'end');
  return answer.statusCode === 200;
}
