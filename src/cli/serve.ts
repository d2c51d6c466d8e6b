import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import type { Logger } from 'pino';
import { loadSettings } from '../config/settings.js';
import type { Settings } from '../config/settings.schema.js';
import { SystemClock } from '../config/system-clock.js';
import { Connections } from '../http/connections.js';
import { addressesOf, SideDoors } from '../http/side-doors.js';
import { loadRedaction } from '../load-redaction.js';
import { createServerLogs } from '../logging/logger.js';
import { localOrigin } from '../reload/reload.service.js';
import { createServer, type Server } from '../server.js';
import { CliFailure } from './cli-failure.js';
import { LISTEN_FAILURES } from './listen-failures.js';

/** What answers get at least, to be sent, when the runs have ended. */
const LAST_ANSWERS_MS = 1_000;

/**
 * V8 makes the objects of a literal old from the start when many of them have lived long. One that is made for a connection and for a
 * request alike then makes everything old that it leads to: the whole request (ADR 0045).
 */
const ALL_ARE_BORN_YOUNG = '--no-allocation-site-pretenuring';

/** Starts the gateway and stays until SIGTERM or SIGINT. */
export async function serve(): Promise<void> {
  setFlagsFromString(ALL_ARE_BORN_YOUNG);
  const loaded = loadSettings();
  const { settings } = loaded;
  const logs = createServerLogs(settings, { fd: 1, redaction: loadRedaction(settings), clock: new SystemClock() });
  const { logger } = logs;
  const server = await createServer({ ...loaded, logger, logs, ownsProcess: true });
  logs.start();
  const connections = new Connections(server.app.getHttpServer());
  const sideDoors = new SideDoors(server.app.getHttpServer());
  const hurry = new AbortController();
  let drainedBy = 0;
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const onSignal = (signal: NodeJS.Signals) => {
    logger.info({ signal }, 'stopping: no new runs; those under way get their time, a second signal cuts it short');
    ask();
    process.once('SIGTERM', () => hurry.abort()).once('SIGINT', () => hurry.abort());
  };
  process.once('SIGTERM', (signal) => (process.removeAllListeners('SIGINT'), onSignal(signal)));
  process.once('SIGINT', (signal) => (process.removeAllListeners('SIGTERM'), onSignal(signal)));
  dieOnSurprise(server, logger);
  const started = Promise.withResolvers<void>();
  process.on('SIGHUP', () => void started.promise.then(() => reload(server, logger)));
  try {
    const bootstrap = await server.gateway.start();
    const firstKey = bootstrap.kind === 'made' ? bootstrap.text : undefined;
    if (firstKey !== undefined) tellKey(firstKey);
    giveBackMemory();
    await listen(server, settings, sideDoors);
    welcome(server, logger, firstKey, settings.TLS_CERT_FILE === undefined ? 'http' : 'https');
    started.resolve();
    await asked;
    drainedBy = performance.now() + settings.DRAIN_TIMEOUT;
    await server.gateway.drain(settings.DRAIN_TIMEOUT, hurry.signal);
  } finally {
    await connections.end(() => closeDoors(server, sideDoors), patience(drainedBy - performance.now(), hurry.signal));
    await server.gateway.stop();
    await logs.stop();
  }
  logger.info('stopped');
}

/** What cannot be taken over is told in log, metrics and health; the gateway goes on with what it has. */
async function reload({ gateway }: Server, logger: Logger): Promise<void> {
  try {
    await gateway.parts.reloads.reload(localOrigin('signal'));
  } catch (error) {
    logger.debug({ err: error }, 'SIGHUP changed nothing');
  }
}

/** Aborts when answers have had their time: what is left of the drain unless somebody is in a hurry. */
function patience(leftMs: number, hurry: AbortSignal): AbortSignal {
  if (hurry.aborted || leftMs < LAST_ANSWERS_MS) return AbortSignal.timeout(LAST_ANSWERS_MS);
  return AbortSignal.any([hurry, AbortSignal.timeout(Math.ceil(leftMs))]);
}

/**
 * Lets go of what starting took and serving does not need, a sixth of the whole, before anybody waits for an answer. Node shows its
 * collector where it is started with `--expose-gc`, as `npm start` and the image do; elsewhere the memory stays with us.
 */
function giveBackMemory(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** @throws CliFailure in words for what an operator can put right */
async function listen({ app }: Server, { PORT, HOST }: Settings, sideDoors: SideDoors): Promise<void> {
  const [front, ...others] = addressesOf(HOST);
  try {
    await app.listen(PORT, front);
    await sideDoors.open(others);
  } catch (error) {
    const reason = LISTEN_FAILURES[(error as NodeJS.ErrnoException).code ?? ''];
    throw reason === undefined ? error : new CliFailure(`Cannot listen on HOST ${HOST}, PORT ${PORT}: ${reason}.`);
  }
}

async function closeDoors({ app }: Server, sideDoors: SideDoors): Promise<void> {
  await Promise.all([app.close(), sideDoors.close()]);
}

/** To people, on stdout beside the log and into no log line; before anything else can fail, for it is shown this once. */
function tellKey(firstKey: string): void {
  process.stdout.write(`\n  Your admin key, shown this once (make others with: npx sallyport keys create):\n\n    ${firstKey}\n\n`);
}

/** Where it listens and, beside the first key, what to do next. */
function welcome({ app, gateway }: Server, logger: Logger, firstKey: string | undefined, scheme: string): void {
  const { address, port, family } = app.getHttpServer().address() as AddressInfo;
  const url = `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  logger.info({ url, commands: gateway.parts.catalogue.all().length }, 'listening');
  if (firstKey === undefined) return;
  process.stdout.write(
    [
      '',
      `  Sallyport listens on ${url}`,
      `  API documentation:   ${url}/docs`,
      '',
      '  Try it:',
      '',
      `    curl -s ${url}/run -H 'X-API-Key: ${firstKey}' -H 'Content-Type: application/json' -d '{"text":"hello"}'`,
      '',
      '',
    ].join('\n'),
  );
}

/** What nobody foresaw may have left anything half-done: record what can be recorded, end the children, go. */
function dieOnSurprise({ gateway }: Server, logger: Logger): void {
  const die = (error: unknown) => {
    logger.fatal({ err: error }, 'an error that nobody handled: stopping');
    gateway.parts.errors.report({ name: 'unhandled', error });
    process.exitCode = 70;
    void gateway.stop().finally(() => process.exit(70));
  };
  process.once('uncaughtException', die);
  process.once('unhandledRejection', die);
}
