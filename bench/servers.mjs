// The programs that are measured. Each is started as its users start it, on a free port of the loopback interface, in a folder of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { REDACTION_KINDS } from '../dist/redaction/masks.js';
import { familyOf, isAlive } from './measure.mjs';

const repository = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Those of npm start. */
const NODE_FLAGS = JSON.parse(readFileSync(repository('package.json'), 'utf8')).scripts.start.match(/--\S+/g);
const START_MS = 20_000;
const STOP_MS = 8_000;
const POLL_MS = 2;

/**
 * What programs get that the gateway runs. webhook hands on its own environment, so the servers get the same: the locale alone makes a
 * quarter of the time that /bin/echo takes.
 */
export const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin', HOME: '/nonexistent', LANG: 'C' };

/** What all of them run. Block form: echo finds no terminal, no shell and no stdin in any. */
export const ECHO = ['/bin/echo', 'hello'];

/** The gateway's commands that run it: each is a contender of that name, and one that is contained in another way is another entry. */
export const ECHO_COMMANDS = [
  {
    name: '/bin/echo',
    command: 'echo',
    declaration: { summary: 'Prints hello', exec: ECHO, effect: 'read', sandbox: { profile: 'host' } },
  },
  { name: '/bin/echo, contained', command: 'echo.contained', declaration: { summary: 'Prints hello', exec: ECHO, effect: 'read' } },
];

/** Clean text, such as programs print: what redaction costs shows where it has something to read. */
export const TEXT = readFileSync(repository('docs/openapi.json'), 'utf8')
  .replace(/[^\n -~]/g, '.')
  .slice(0, 64 * 1024);
export const TEXT_COMMAND = 'text';

export const bareFastify = {
  name: 'Bare Fastify',
  readyPath: '/',
  prepare: (folder, port) => ({ file: process.execPath, args: [repository('bench/bare-fastify.mjs')], env: { PORT: String(port) } }),
};

/**
 * webhook starts whatever is asked for. So that the gateway has as many programs under way with 64 connections, it gets slots for all of them and the
 * eighth that it keeps from any single key: with the default of 64 slots eight of the connections would wait in line.
 */
const SLOTS = 80;

const gatewayWith = (name, settings) => ({
  name,
  readyPath: '/ready',
  prepare: (folder, port) => {
    const catalogue = join(folder, 'commands');
    mkdirSync(catalogue);
    copyFileSync(repository('commands/greet.yaml'), join(catalogue, 'greet.yaml'));
    const text = join(folder, 'text');
    writeFileSync(text, TEXT, 'latin1');
    const commands = {
      ...Object.fromEntries(ECHO_COMMANDS.map(({ command, declaration }) => [command, declaration])),
      [TEXT_COMMAND]: { summary: 'Prints a text', exec: ['/bin/cat', text], effect: 'read', sandbox: { profile: 'host' } },
    };
    writeFileSync(join(catalogue, 'echo.yaml'), JSON.stringify({ commands }));
    return {
      file: process.execPath,
      args: [...NODE_FLAGS, repository('dist/main.js')],
      env: {
        PORT: String(port),
        DATA_DIR: join(folder, 'data'),
        CATALOGUE_DIR: catalogue,
        LOG_FORMAT: 'json',
        RATE_LIMIT_ENABLED: 'false',
        MAX_CONCURRENT_RUNS: String(SLOTS),
        ENVIRONMENT: 'production',
        ...settings,
      },
    };
  },
});

export const gateway = gatewayWith('Sallyport', {});

/** What it does not do when nobody looks on: no line in the log, no trace. Metrics are always there. */
export const silentGateway = gatewayWith('Sallyport, silent', { LOG_LEVEL: 'silent' });

/** What cannot be off is the search for secrets that were declared, and for our own keys. */
export const unredacted = gatewayWith('Sallyport, recognisers off', {
  REDACTION_OFF: REDACTION_KINDS.filter((kind) => !['secret', 'api_key'].includes(kind)).join(','),
});

/** With everything that can be looked at: log, metrics, and so much of the traces. */
export const tracedGateway = (collector, ratio) =>
  gatewayWith(`Sallyport, traced ${ratio}`, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: ratio,
  });

/** Takes traces and forgets them, in a process of its own: its processor time is nobody's. */
export const collector = {
  name: 'Collector',
  readyPath: '/',
  prepare: (folder, port) => ({ file: process.execPath, args: [repository('bench/collector.mjs')], env: { PORT: String(port) } }),
};

export const webhook = {
  name: 'webhook',
  readyPath: '/',
  prepare: (folder, port) => {
    const hooks = join(folder, 'hooks.json');
    const echo = {
      id: 'echo',
      'execute-command': ECHO[0],
      'command-working-directory': '/',
      'pass-arguments-to-command': ECHO.slice(1).map((name) => ({ source: 'string', name })),
      'include-command-output-in-response': true,
    };
    writeFileSync(hooks, JSON.stringify([echo]));
    return { file: 'webhook', args: ['-hooks', hooks, '-ip', '127.0.0.1', '-port', String(port)], env: {} };
  },
};

export const CGI_PAGE = 'hello.cgi';
/** Sent as it is, without a program. */
export const STATIC_PAGE = 'ready.txt';
export const STATIC_TEXT = 'ready\n';

/** A classic: the web server starts the program for each request and sends on what it prints. It is handed the path of the page asked for. */
export const lighttpd = {
  name: 'lighttpd',
  readyPath: `/${STATIC_PAGE}`,
  prepare: (folder, port) => {
    const pages = join(folder, 'pages');
    mkdirSync(pages);
    writeFileSync(join(pages, STATIC_PAGE), STATIC_TEXT);
    writeFileSync(join(pages, CGI_PAGE), '', { mode: 0o755 });
    const settings = join(folder, 'lighttpd.conf');
    writeFileSync(
      settings,
      [
        'server.modules = ("mod_cgi")',
        'server.bind = "127.0.0.1"',
        `server.port = ${port}`,
        `server.document-root = "${pages}"`,
        'server.max-keep-alive-requests = 65535',
        `cgi.assign = (".cgi" => "${ECHO[0]}")`,
      ].join('\n'),
    );
    return { file: 'lighttpd', args: ['-D', '-f', settings], env: {} };
  },
};

/**
 * Starts a program and waits until it is ready. Its output goes to the file `log`.
 * @returns `{name, url, family, startMs, log, [Symbol.asyncDispose]}`; `startMs`: from the spawn to the first 200 of its ready path
 */
export async function start(program, { folder: parent, signal }) {
  const folder = mkdtempSync(join(parent, 'server-'));
  const port = await freePort();
  const { file, args, env } = program.prepare(folder, port);
  const log = join(folder, 'log');
  const output = openSync(log, 'w', 0o600);
  const startedAt = performance.now();
  // A session of its own, as from a service manager: schedulers may weigh by session, and this one holds the load generators.
  const child = spawn(file, args, { cwd: folder, env: { ...ENVIRONMENT, ...env }, stdio: ['ignore', output, output], detached: true });
  closeSync(output);
  await once(child, 'spawn');
  const url = `http://127.0.0.1:${port}`;
  const server = { name: program.name, url, family: [], log, startMs: 0, [Symbol.asyncDispose]: () => stop(child, server.family) };
  try {
    await ready(url + program.readyPath, child, signal);
    server.startMs = performance.now() - startedAt;
    server.family = familyOf(child.pid);
    return server;
  } catch (error) {
    await stop(child, server.family);
    throw signal.aborted ? error : new Error(`${program.name} did not start: ${error.message}\n${readFileSync(log, 'utf8')}`);
  }
}

async function ready(url, child, signal) {
  for (const deadline = performance.now() + START_MS; performance.now() < deadline; await sleep(POLL_MS, undefined, { signal })) {
    if (hasEnded(child)) throw new Error('it ended');
    const answer = await fetch(url, { signal }).catch((error) => {
      if (signal.aborted) throw error;
      return undefined; // Nobody listens yet.
    });
    await answer?.bytes();
    if (answer?.status === 200) return;
  }
  throw new Error(`no 200 from ${url} within ${START_MS / 1000} s`);
}

/** Ends the program and whatever it leaves behind. */
async function stop(child, family) {
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  if (!hasEnded(child)) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
  clearTimeout(late);
  for (const deadline = performance.now() + STOP_MS; family.some(isAlive) && performance.now() < deadline;) await sleep(POLL_MS);
  for (const member of family.filter(isAlive)) process.kill(member.pid, 'SIGKILL');
}

function hasEnded({ exitCode, signalCode }) {
  return exitCode !== null || signalCode !== null;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
