// What is asked of the servers, and what a right answer looks like.
import { readFileSync } from 'node:fs';
import { measure } from './measure.mjs';
import { CGI_PAGE, ECHO_COMMANDS, STATIC_PAGE, STATIC_TEXT, TEXT, TEXT_COMMAND } from './servers.mjs';
import { SPAWN_LIMIT } from './spawn-limit.mjs';

const json = { 'content-type': 'application/json' };

const WEBHOOK = 'webhook /bin/echo';

/** The one command that starts no program. */
const GREET = 'greet';
const SILENT = 'greet, silent';
const TRACED = 'greet, traced';
const TENTH = 'greet, a tenth traced';
const ECHO_SILENT = '/bin/echo, silent';
const ECHO_TRACED = '/bin/echo, traced';
const REDACTED = '64 KiB of text';
const UNREDACTED = '64 KiB of text, recognisers off';

/** What each contender is measured against, at the same number of connections. */
export const REFERENCE = {
  'GET /health': 'Bare Fastify',
  'GET /auth/me': 'Bare Fastify',
  [GREET]: 'Bare Fastify',
  [TRACED]: SILENT,
  [TENTH]: SILENT,
  [ECHO_TRACED]: ECHO_SILENT,
  [REDACTED]: UNREDACTED,
  ...Object.fromEntries(ECHO_COMMANDS.map(({ name }) => [name, WEBHOOK])),
  [WEBHOOK]: SPAWN_LIMIT,
  'lighttpd CGI /bin/echo': WEBHOOK,
};

/** Measured more often than the others, together with what each is measured against: the bars of these are close to what is measured, and one in three samples of a second is off by a tenth. */
export const CLOSELY_COMPARED = new Set([
  ...[SILENT, TRACED, TENTH, ECHO_SILENT, ECHO_TRACED, WEBHOOK, SPAWN_LIMIT],
  ...ECHO_COMMANDS.map(({ name }) => name),
]);

/** The contenders in the order of the report. Of servers that are not installed there are none. */
export function contendersOf({ bareFastify, gateway, silent, traced, tenth, unredacted, webhook, lighttpd }) {
  const key = { 'x-api-key': keyOf(gateway) };
  return [
    contender('Bare Fastify', bareFastify, { path: '/' }, ({ hello }) => hello === 'world'),
    contender('GET /health', gateway, { path: '/health' }, ({ status }) => status === 'ok'),
    contender('GET /auth/me', gateway, { path: '/auth/me', headers: key }, ({ role }) => role === 'admin'),
    run(GREET, gateway, { command: GREET, headers: key, prints: 'Hello.\n' }),
    ...[
      [SILENT, silent],
      [TRACED, traced],
      [TENTH, tenth],
    ].map(([name, server]) => run(name, server, { command: GREET, headers: { 'x-api-key': keyOf(server) }, prints: 'Hello.\n' })),
    ...ECHO_COMMANDS.map(({ name, command }) => run(name, gateway, { command, headers: key, prints: 'hello\n' })),
    ...[
      [ECHO_SILENT, silent],
      [ECHO_TRACED, traced],
    ].map(([name, server]) => run(name, server, { command: 'echo', headers: { 'x-api-key': keyOf(server) }, prints: 'hello\n' })),
    ...[
      [REDACTED, gateway],
      [UNREDACTED, unredacted],
    ].map(([name, server]) => run(name, server, { command: TEXT_COMMAND, headers: { 'x-api-key': keyOf(server) }, prints: TEXT })),
    ...(webhook ? [hook(WEBHOOK, webhook)] : []),
    ...(lighttpd ? [page('lighttpd CGI /bin/echo', lighttpd)] : []),
  ];
}

function run(name, server, { command, headers, prints }) {
  const body = JSON.stringify({ command });
  return contender(
    name,
    server,
    { path: '/run', method: 'POST', headers: { ...headers, ...json }, body, startsProgram: command !== GREET },
    ({ status, outcome, stdout }) => status === 'succeeded' && outcome.code === 0 && stdout === prints,
  );
}

/** The same request body as ours, though webhook has no use for it. */
function hook(name, server) {
  const request = { path: '/hooks/echo', method: 'POST', headers: json, body: JSON.stringify({ command: 'echo' }), startsProgram: true };
  return contender(name, server, request, (body) => body === 'hello\n');
}

/** Its program prints the path of the page, which takes it as long as any other word. */
function page(name, server) {
  return contender(name, server, { path: `/${CGI_PAGE}`, startsProgram: true }, (body) => body.endsWith(`/${CGI_PAGE}\n`));
}

/**
 * A stranger on the same machine, which does next to nothing and shares nothing with the gateway: what it notices of the gateway's runs is not the
 * gateway's own doing. Undefined without lighttpd.
 */
export function strangerOf({ lighttpd }) {
  return lighttpd && contender('a static page of lighttpd', lighttpd, { path: `/${STATIC_PAGE}` }, (body) => body === STATIC_TEXT);
}

function contender(name, server, { path, method = 'GET', headers = {}, body, startsProgram = false }, isRight) {
  const request = { url: server.url + path, method, headers, body };
  const one = { name, server, request, startsProgram, check: (signal) => check({ name, request, isRight }, signal) };
  return { ...one, measure: (given) => measure(one, given) };
}

async function check({ name, request: { url, ...init }, isRight }, signal) {
  const answer = await fetch(url, { ...init, signal });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.startsWith('application/json');
  if (answer.status !== 200 || !isRight(isJson ? JSON.parse(text) : text))
    throw new Error(`${name}: a wrong answer, ${answer.status} ${text.slice(0, 2000)}`);
}

/** The admin key of an empty store, which the gateway prints once. */
function keyOf({ log }) {
  const key = /\bslp_\w+/.exec(readFileSync(log, 'utf8'))?.[0];
  if (!key) throw new Error('the gateway printed no key');
  return key;
}

/**
 * A run that fails is a 200 all the same, so the gateway's own counters are asked: every answered run ended by itself and has its two
 * audit entries, and no others but those that lost their client when a round ended were cancelled.
 */
export async function checkRuns({ url }, { answered, abandoned, signal }) {
  const metrics = await (await fetch(`${url}/metrics`, { signal })).text();
  const sum = (pattern) => [...metrics.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  const exited = sum(/^sallyport_runs_total\{[^}]*outcome="exited"[^}]*\} (\d+)/gm);
  const cancelled = sum(/^sallyport_runs_total\{[^}]*outcome="cancelled"[^}]*\} (\d+)/gm);
  const all = sum(/^sallyport_runs_total\{[^}]*\} (\d+)/gm);
  const entries = sum(/^sallyport_audit_entries_total (\d+)/gm);
  if (exited < answered || all > exited + cancelled || cancelled > abandoned || entries < 2 * answered) {
    throw new Error(`answered ${answered} runs, but counted ${all}: ${exited} exited, ${cancelled} cancelled, ${entries} audit entries`);
  }
}
