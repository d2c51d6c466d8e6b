// How fast one core redacts text in which nothing is to be masked, and what a short output costs. CPU time, best of five.
import { readFileSync } from 'node:fs';
import { createRedactor } from '../dist/redaction/redact-text.js';

const MEGABYTES = 16;
const CHUNK = 64 * 1024;

const logLine = (index) =>
  `${JSON.stringify({ level: 'info', time: new Date(index * 7_919_000).toISOString(), request_id: `req_${index.toString(16).padStart(12, '0')}`, status: 200, message: 'request' })}\n`;
const texts = {
  'source code': readFileSync('src/runs/run.service.ts', 'utf8'),
  'JSON (docs/openapi.json)': readFileSync('docs/openapi.json', 'utf8'),
  'package-lock.json': readFileSync('package-lock.json', 'utf8'),
  'a coloured report': Array.from(
    { length: 2_000 },
    (_, index) => `  \x1b[32m✓\x1b[39m \x1b[2mkeeps what it was given (${index} ms)\x1b[22m\n`,
  ).join(''),
  'log lines': Array.from({ length: 2_000 }, (_, index) => logLine(index)).join(''),
};

for (const [name, text] of Object.entries(texts)) {
  const whole = Buffer.from(text.repeat(Math.ceil((MEGABYTES * 1e6) / text.length)));
  for (const secrets of [[], ['correct-horse-battery']]) {
    const seconds = best(() => {
      const redactor = createRedactor({ secrets });
      for (let at = 0; at < whole.length; at += CHUNK) redactor.pushBytes(whole.subarray(at, at + CHUNK));
      redactor.end();
    });
    const figure = (whole.length / 1e6 / seconds).toFixed(0);
    console.log(`${name.padEnd(26)} ${secrets.length === 0 ? 'shapes alone      ' : 'and a secret      '} ${figure.padStart(6)} MB/s`);
  }
}

const line = Buffer.from('Hello, world! It took 15 ms, and nobody was hurt.\n');
const RUNS = 20_000;
const seconds = best(() => {
  for (let run = 0; run < RUNS; run += 1) {
    const redactor = createRedactor();
    redactor.pushBytes(line);
    redactor.end();
  }
});
console.log(`${'one line of 50 bytes'.padEnd(26)} shapes alone       ${((seconds / RUNS) * 1e6).toFixed(2).padStart(6)} µs`);

/** Seconds of CPU time. */
function best(work) {
  const times = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  });
  return Math.min(...times);
}
