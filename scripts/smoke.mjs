// Starts the compiled program as an operator would, runs one command through it, stops it with SIGTERM. Exit 0 when all went well.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const dataDir = mkdtempSync(join(tmpdir(), 'sallyport-smoke-'));
const child = spawn(process.execPath, ['dist/main.js'], {
  env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: dataDir, LOG_FORMAT: 'json' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
let output = '';
child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));

try {
  const { url, key } = await started();
  const answer = await fetch(`${url}/run`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{"text":"hello"}',
  });
  const run = await answer.json();
  expect(answer.status === 200 && run.status === 'succeeded', `POST /run answered ${answer.status} ${JSON.stringify(run)}`);
  const ready = await fetch(`${url}/ready`);
  expect(ready.status === 200, `GET /ready answered ${ready.status}`);
  child.kill('SIGTERM');
  const { code } = await exited;
  expect(code === 0, `the program ended with ${code}`);
  console.log('smoke: 3 passed, 0 failed');
} catch (error) {
  console.error(`smoke: ${error.message}\n${output}`);
  process.exitCode = 1;
} finally {
  child.kill('SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
}

async function started() {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const url = /"url":"([^"]+)"/.exec(output)?.[1];
    const key = /\bslp_\w+/.exec(output)?.[0];
    if (url && key) return { url, key };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the program did not start within 20 s');
}

function expect(holds, message) {
  if (!holds) throw new Error(message);
}
