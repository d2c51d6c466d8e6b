import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../src/domain/errors.js';
import { ROLES, type Role, roleAtLeast } from '../src/domain/principal.js';
import { HealthController } from '../src/health/health.controller.js';
import type { RegisteredRoute } from '../src/http/routing-table.js';
import { show, witness } from './kit/commands.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { exchange, type RawAnswer } from './kit/raw-http.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-matrix-'));
const marks = join(folder, 'marks');
const AT_ONCE = 16;
type RoleOrNone = Role | 'none';

let gateway: TestGateway;
let keys: Readonly<Record<RoleOrNone, string | undefined>>;
/** Objects by the route that leads to them: one of the operator, one of somebody else, one that never was. Of each role's own point of view. */
let objects: Readonly<Record<string, { readonly own: string; readonly others: string; readonly unknown: string }>>;

beforeAll(async () => {
  gateway = await startGateway({ commands: { witness: witness(marks), show } });
  keys = {
    none: undefined,
    readonly: await gateway.key('readonly'),
    operator: await gateway.key('operator'),
    admin: await gateway.key('admin'),
  };
  const [own, others] = [await gateway.as('operator'), gateway.with(await gateway.newKey())];
  const runOf = async (caller: typeof own) => (await caller.run('show', { value: 'Canary' })).id;
  const [ownRun, otherRun] = [await runOf(own), await runOf(others)];
  const idOf = (key: string | undefined) => (key ?? '').slice(4, 16);
  objects = {
    '/runs/:id': { own: ownRun, others: otherRun, unknown: `run_${'0'.repeat(32)}` },
    '/auth/keys/:id': { own: idOf(keys.admin), others: idOf(keys.readonly), unknown: 'x'.repeat(12) },
    '/agents/:id': { own: 'agt_1', others: 'agt_2', unknown: `agt_${'0'.repeat(32)}` },
    '/approvals/:id': { own: ownRun, others: otherRun, unknown: `run_${'0'.repeat(32)}` },
    '/freezes/:id': { own: 'frz_1', others: 'frz_2', unknown: 'nothing' },
    '/secrets/:name': { own: 'OWN', others: 'OTHERS', unknown: 'NOTHING' },
    '/breakers/:name': { own: 'none', others: 'other', unknown: 'nothing' },
    '/commands/:name': { own: 'show', others: 'witness', unknown: 'nothing' },
    '/docs/*': { own: 'index.html', others: 'swagger-ui.css', unknown: 'nothing' },
  };
});
afterAll(async () => {
  await stopGateways();
  rmSync(folder, { recursive: true, force: true });
});

/** Routes as the router has them; those that the framework makes for itself have no address to spell. */
const routes = () => gateway.server.routes.routes().filter(({ url }) => url !== '*');

/** @throws when nobody has said what the objects of a route are: the matrix would have a hole */
function addressOf({ url }: RegisteredRoute, whose: 'own' | 'others' | 'unknown' = 'own'): string {
  if (!/[:*]/.test(url)) return url;
  const [prefix, made] = Object.entries(objects).find(([template]) => url.startsWith(template)) ?? [];
  if (prefix === undefined || made === undefined) throw new Error(`say in \`objects\` what stands for the parameters of ${url}`);
  return prefix.replace(/[:*].*$/, made[whose]) + url.slice(prefix.length);
}

/** A body that makes every route that can run something run the witness. */
function bodyFor({ url }: RegisteredRoute): string {
  const request = { command: 'witness', args: {} };
  return JSON.stringify(url === '/batch' ? { items: [request] } : request);
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly role: RoleOrNone;
  readonly lines?: readonly string[];
  readonly body?: string;
}

async function ask({ method, path, role, lines = [], body = '' }: Asked): Promise<RawAnswer> {
  const key = keys[role];
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(key === undefined ? [] : [`X-API-Key: ${key}`]),
    ...lines,
  ];
  return exchange(gateway.url, Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1'), () => false);
}

async function askAll(asked: readonly Asked[]): Promise<(Asked & { readonly answer: RawAnswer })[]> {
  const answers: (Asked & { readonly answer: RawAnswer })[] = [];
  for (let index = 0; index < asked.length; index += AT_ONCE) {
    const some = asked.slice(index, index + AT_ONCE);
    answers.push(...(await Promise.all(some.map(async (one) => ({ ...one, answer: await ask(one) })))));
  }
  return answers;
}

function needed({ mark }: RegisteredRoute): Role | undefined {
  const access = mark?.access;
  return access === 'readonly' || access === 'operator' || access === 'admin' ? access : undefined;
}

function may(role: RoleOrNone, route: RegisteredRoute): boolean {
  const lowest = needed(route);
  return lowest === undefined || (role !== 'none' && roleAtLeast(role, lowest));
}

/** The same address as others might read it: proxies, frameworks, careless comparisons. */
function spellings(path: string): string[] {
  const letter = /[a-z]/.exec(path.slice(1))?.index ?? 0;
  const at = letter + 1;
  const encoded = (text: string) => `%${text.charCodeAt(0).toString(16)}`;
  return [
    path,
    `${path}/`,
    `/${path}`,
    `//localhost${path}`,
    `/.${path}`,
    `/x/..${path}`,
    `/health/..${path}`,
    `/health%2f..${path}`,
    path.toUpperCase(),
    path.slice(0, at) + path.charAt(at).toUpperCase() + path.slice(at + 1),
    path.slice(0, at) + encoded(path.charAt(at)) + path.slice(at + 1),
    path.slice(0, at) + encoded('%') + encoded(path.charAt(at)).slice(1) + path.slice(at + 1),
    `/${encoded('/')}${path.slice(1)}`,
    `${path}${encoded('/')}`,
    `${path};x=1`,
    `${path}.`,
    `${path}.json`,
    `${path}%20`,
    `${path}%00`,
    `${path}%0d%0a`,
    `${path}?x=1`,
    `${path}?_method=POST&access_token=x`,
    `/\\${path.slice(1)}`,
    `http://localhost${path}`,
    `/health?${path}`,
    `/health;${path}`,
  ];
}

const OVERRIDES = ['X-HTTP-Method-Override: POST', 'X-HTTP-Method: POST', 'X-Method-Override: POST'];
const REWRITES = [
  'X-Original-URL: /run',
  'X-Rewrite-URL: /run',
  'X-Forwarded-Prefix: /run',
  'X-Forwarded-Path: /run',
  'Forwarded: for=127.0.0.1;path=/run',
];

/** Every way to come to a route that its role may not use, and some that only look like one. */
function waysTo(route: RegisteredRoute, role: RoleOrNone): Asked[] {
  const [path, body] = [addressOf(route), bodyFor(route)];
  const other = role === 'none' ? 'none' : 'readonly';
  return [
    ...spellings(path).map((spelling) => ({ method: route.method, path: spelling, role, body })),
    ...['GET', 'HEAD', 'OPTIONS', 'PUT', 'TRACE', 'QUERY'].map((method) => ({ method, path, role, body, lines: OVERRIDES })),
    { method: 'GET', path: '/health', role, body, lines: REWRITES },
    { method: 'POST', path: '/health', role, body, lines: [...REWRITES, ...OVERRIDES] },
    {
      method: route.method,
      path,
      role,
      body,
      lines: [`Authorization: Bearer ${keys.admin}`, `Authorization: Bearer ${keys[other] ?? 'x'}`],
    },
    { method: route.method, path, role, body, lines: ['Authorization: Bearer x', 'Prefer: respond-async'] },
  ];
}

describe('the matrix of routes, roles and spellings (A1, T21, T24, T27)', () => {
  it.each(['none', 'readonly'] as const)('causes no program to start with the role %s, on any way', async (role) => {
    const launches = gateway.launches.length;
    const asked = routes().flatMap((route) => waysTo(route, role));
    expect(asked.length).toBeGreaterThan(1_000);
    const answers = await askAll(asked);
    expect(
      answers.filter(({ answer }) => answer.status >= 500 || Number.isNaN(answer.status)).filter(({ answer }) => answer.status !== 501),
    ).toEqual([]);
    expect([gateway.launches.length - launches, existsSync(marks)]).toEqual([0, false]);
  });

  it.each(ROLES.filter((role) => role !== 'admin'))('lets %s do by no spelling what it may not do by the plain one', async (role) => {
    const beyond = routes().filter((route) => !may(role, route));
    expect(beyond.length).toBeGreaterThan(4);
    const answers = await askAll(
      beyond.flatMap((route) => spellings(addressOf(route)).map((path) => ({ method: route.method, path, role, body: bodyFor(route) }))),
    );
    const taken = answers.filter(({ path, answer }) => answer.status < 400 && !path.startsWith('/health'));
    expect(taken.map(({ method, path, answer }) => `${method} ${path} ${answer.status}`)).toEqual([]);
  });

  it('would see a program start: the same requests with a key that may', async () => {
    const doors = routes().filter((route) => ['/run', '/stream', '/batch'].includes(route.url) && route.method === 'POST');
    const before = gateway.launches.length;
    const answers = await askAll(
      doors.map((route) => ({ method: 'POST', path: addressOf(route), role: 'operator' as const, body: bodyFor(route) })),
    );
    expect(answers.map(({ answer }) => answer.status)).toEqual([200, 200, 200]);
    expect([gateway.launches.length - before, existsSync(marks)]).toEqual([3, true]);
    rmSync(marks);
  });
});

describe("other people's objects (T21, T22)", () => {
  it.each(['readonly', 'operator'] as const)('are to %s exactly what does not exist: the same status, headers and body', async (role) => {
    const templates = routes().filter(({ url }) => url.startsWith('/runs/:id'));
    expect(templates.length).toBeGreaterThan(5);
    for (const route of templates) {
      const [others, unknown] = await Promise.all(
        (['others', 'unknown'] as const).map((whose) => ask({ method: route.method, path: addressOf(route, whose), role })),
      );
      expect([route, told(others!)]).toEqual([route, told(unknown!)]);
      expect([404, 403, 405]).toContain(others?.status);
      expect(others?.body).not.toContain('Canary');
    }
  });

  it('are there for their owner, and for an admin', async () => {
    const visible = routes().filter(({ url, method }) => method === 'GET' && url.startsWith('/runs/:id'));
    for (const route of visible) {
      for (const [role, whose] of [
        ['operator', 'own'],
        ['admin', 'own'],
        ['admin', 'others'],
      ] as const)
        expect([route.url, role, (await ask({ method: 'GET', path: addressOf(route, whose), role })).status]).toEqual([
          route.url,
          role,
          200,
        ]);
      expect((await ask({ method: 'GET', path: addressOf(route, 'own'), role: 'readonly' })).status).toBe(404);
    }
  });

  /** What a caller can tell, without what differs between any two answers. */
  function told({ status, headers, body }: RawAnswer): unknown {
    const { 'x-request-id': _id, date: _date, ratelimit: _limit, ...rest } = headers;
    const problem = body === '' ? {} : (JSON.parse(body) as Problem);
    return { status, headers: rest, body: { ...problem, requestId: '', traceId: '' } };
  }
});

describe('the inventory of routes (A2)', () => {
  it('is that of the OpenAPI document, in both directions', async () => {
    const { body } = await gateway.anonymous().get<{ paths: Record<string, Record<string, unknown>> }>('/openapi.json');
    const documented = Object.entries(body.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const served = routes()
      .filter(({ method, url }) => method !== 'HEAD' && method !== 'OPTIONS' && !/^\/(docs|openapi)\b/.test(url))
      .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
    expect(documented.toSorted()).toEqual(served.toSorted());
  });

  it('has no route without a declared access: the gateway does not start with one', async () => {
    const handler = HealthController.prototype.live;
    const marked: unknown = Reflect.getMetadata('__fastify_route_config__', handler);
    expect(marked).toBeDefined();
    Reflect.deleteMetadata('__fastify_route_config__', handler);
    try {
      await expect(startGateway()).rejects.toThrow('routes without declared access: GET /health');
    } finally {
      Reflect.defineMetadata('__fastify_route_config__', marked, handler);
    }
  });
});
