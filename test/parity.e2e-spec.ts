import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PARAM_TYPES, type ParamTypeName } from '../src/commands/param-types.js';
import type { FieldError, Problem } from '../src/domain/errors.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { eventually } from './kit/eventually.js';
import { type Caller, parseEvents, type RunBody, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { expectedAsData, HOSTILE_REQUESTS, hostileCases, hostileCommands } from './kit/hostile-corpus.js';
import { askingCommands, type AskedServices, startServices } from './kit/hostile-services.js';
import { type Finished, programHome, removeHomes } from './kit/program.js';
import { stopWarmCli, warmCli } from './kit/warm-cli.js';

/** What became of a request, in the same words for every door. */
type Verdict = { readonly seen: string } | { readonly status: number; readonly code: string; readonly errors: readonly FieldError[] };

/** Sends requests through one door; the verdicts come in their order. */
type Door = (requests: readonly RunBody[]) => Promise<Verdict[]>;

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-parity-')));
const AT_ONCE = 20;
let gateway: TestGateway;
let caller: Caller;
let services: AskedServices;

beforeAll(async () => {
  mkdirSync(join(folder, 'folder'));
  for (const name of ['plain', 'with space; id']) writeFileSync(join(folder, name), '');
  services = await startServices(hostileCases('string', folder).flatMap(({ value }) => (typeof value === 'string' ? [value] : [])));
  const commands = { ...hostileCommands(folder), ...askingCommands(services, join(folder, 'folder')) };
  gateway = await startGateway({ commands, settings: services.settings });
  caller = await gateway.as('operator');
});
afterAll(async () => {
  // The watch for what gateways leave behind must not find it.
  await stopWarmCli();
  await stopGateways();
  await services.stop();
  await removeHomes();
  rmSync(folder, { recursive: true, force: true });
});

const DOORS: Readonly<Record<string, Door>> = {
  'POST /run': (requests) => eachOf(requests, async (request) => verdictOf(await caller.post('/run', request))),

  'an item of POST /batch': async (requests) => {
    const verdicts: Verdict[] = [];
    for (let index = 0; index < requests.length; index += 50) {
      const { body } = await caller.post<{ items: BatchItem[] }>('/batch', { items: requests.slice(index, index + 50) });
      verdicts.push(...body.items.map(itemVerdict));
    }
    return verdicts;
  },

  'POST /stream': (requests) =>
    eachOf(requests, async (request) => {
      const answer = await caller.post<string | Problem>('/stream', request);
      return typeof answer.body === 'string' ? seenIn(streamed(answer.body)) : refusal(answer.body);
    }),

  'POST /run, asynchronously': (requests) =>
    eachOf(requests, async (request) => {
      const answer = await caller.post<RunEnvelope>('/run', request, { prefer: 'respond-async' });
      if (answer.status !== 202) return verdictOf(answer);
      return eventually(async () => {
        const { body } = await caller.get<RunEnvelope>(`/runs/${answer.body.id}`);
        return body.outcome !== null && seenIn(body.stdout);
      });
    }),

  'sallyport run --url': async (requests) => {
    const results = await commandLine(requests.map((request) => ['run', '--json', '--url', gateway.url, ...wordsOf(request)]));
    return results.map(({ stdout, stderr }) => {
      if (!stdout.startsWith('{')) throw new Error(`the command line said: ${stderr}`);
      const told = JSON.parse(stdout) as RunEnvelope | Problem;
      return 'stdout' in told ? seenIn(told.stdout) : refusal(told);
    });
  },
};

async function eachOf(requests: readonly RunBody[], send: (request: RunBody) => Promise<Verdict>): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (let index = 0; index < requests.length; index += AT_ONCE)
    verdicts.push(...(await Promise.all(requests.slice(index, index + AT_ONCE).map(send))));
  return verdicts;
}

function verdictOf({ status, body }: { status: number; body: unknown }): Verdict {
  return status === 200 ? seenIn((body as RunEnvelope).stdout) : refusal(body as Problem);
}

function itemVerdict(item: BatchItem): Verdict {
  if ('run' in item) return seenIn(item.run.stdout);
  if ('problem' in item) return refusal(item.problem);
  throw new Error('no item may be skipped');
}

/** Where in the request a mistake is depends on the door only where the request itself is none. */
function refusal({ status, code, errors = [] }: Problem): Verdict {
  return { status, code, errors: code === 'invalid_arguments' ? errors : [] };
}

/** The programs of these tests end what they were given with a NUL; it must be the only one. */
function seenIn(output: string): Verdict {
  const stdout = services.heard(output);
  const end = stdout.indexOf('\0');
  if (end !== stdout.length - 1) throw new Error(`the child saw more or less than one argument: ${JSON.stringify(stdout.slice(0, 200))}`);
  return { seen: stdout.slice(0, end) };
}

function streamed(body: string): string {
  return parseEvents(body)
    .filter(({ event, data }) => event === 'output' && data['stream'] === 'stdout')
    .map(({ data }) => String(data['data']))
    .join('');
}

/** The request as a person types it. Values are written as JSON, so that each arrives as the type it has. */
function wordsOf({ command, args = {}, text: phrase }: RunBody): string[] {
  if (phrase !== undefined) return [`--text=${phrase}`];
  return ['--', command ?? '', ...Object.entries(args as object).map(([name, value]) => `${name}:=${JSON.stringify(value)}`)];
}

/** One process for all of them; a lone argument may be longer than a system lets it be. */
function commandLine(lines: readonly (readonly string[])[]): Promise<Finished[]> {
  const env = { PATH: process.env['PATH'] ?? '', SALLYPORT_KEY: caller.key ?? '', ENVIRONMENT: 'test' };
  return Promise.all(lines.map((argv) => warmCli().run({ argv, cwd: folder, env })));
}

const types = Object.keys(PARAM_TYPES) as ParamTypeName[];

describe.each(Object.entries(DOORS))('%s', (_name, door) => {
  it.each(types)('gives every hostile value of a %s its own bytes or a refusal (T01, T02, T04, T12)', async (type) => {
    const cases = hostileCases(type, folder);
    const verdicts = await door(cases.map(({ args }) => ({ command: `take.${type}`, args })));
    const wrong = cases.flatMap(({ value, expected }, index) => {
      const verdict = verdicts[index]!;
      const right =
        expected === 'refused'
          ? 'code' in verdict && verdict.code === 'invalid_arguments'
          : 'seen' in verdict && verdict.seen === expected.seen;
      return right ? [] : [{ value: JSON.stringify(value).slice(0, 100), expected, verdict }];
    });
    expect(wrong).toEqual([]);
  });
});

describe('every door', () => {
  it('refuses the same values with the same words (T09)', async () => {
    const refused = types.flatMap((type) => hostileCases(type, folder).filter(({ expected }) => expected === 'refused'));
    const requests = [...refused.map(({ type, args }) => ({ command: `take.${type}`, args })), ...(HOSTILE_REQUESTS as RunBody[])];
    const started = gateway.launches.length;
    const [first, ...others] = await Promise.all(
      Object.entries(DOORS).map(async ([name, door]) => ({ name, verdicts: await door(requests) })),
    );
    expect(first?.verdicts.filter((verdict) => 'seen' in verdict)).toEqual([]);
    for (const { name, verdicts } of others) {
      const different = requests.flatMap((request, index) => {
        const [here, there] = [verdicts[index], first?.verdicts[index]];
        return JSON.stringify(here) === JSON.stringify(there)
          ? []
          : [{ name, request: JSON.stringify(request).slice(0, 100), here, there }];
      });
      expect(different).toEqual([]);
    }
    expect(gateway.launches).toHaveLength(started);
  });

  it.each([
    '{"command":"take.string","args":{"value":"x","__proto__":{"value":"y"}}}',
    '{"command":"take.string","args":{"constructor":{"prototype":{"value":"y"}}}}',
    `{"command":"take.json","args":{"value":${'['.repeat(60)}${']'.repeat(60)}}}`,
    '{"command":"take.string","args":{"value":"a\u0001b"}}',
  ])('refuses to read %s', async (raw) => {
    const started = gateway.launches.length;
    for (const [path, body] of [
      ['/run', raw],
      ['/stream', raw],
      ['/batch', `{"items":[${raw}]}`],
    ] as const) {
      for (const prefer of ['', 'respond-async']) {
        const { status, body: problem } = await caller.request<Problem>('POST', path, { raw: body, headers: { prefer } });
        expect({ path, status, code: problem.code }).toEqual({
          path,
          status: 400,
          code: raw.includes('[[[') ? 'body_too_deep' : 'malformed_request',
        });
      }
    }
    expect(gateway.launches).toHaveLength(started);
  });

  it('hands each of 500 runs at one time its own argument (T15)', async () => {
    const values = Array.from({ length: 500 }, (_, index) => `run ${index} $(echo ${index}) "${'x'.repeat(index)}"`);
    const requests = values.map((value) => ({ command: 'take.string', args: { value } }));
    const doors = Object.values(DOORS).slice(0, 4);
    const shares = await Promise.all(
      doors.map((door, share) => door(requests.filter((_request, index) => index % doors.length === share))),
    );
    for (const [share, verdicts] of shares.entries()) {
      expect(verdicts).toEqual(values.filter((_value, index) => index % doors.length === share).map((value) => ({ seen: value })));
    }
  });
});

describe('commands that start no program', () => {
  it.each(['call', 'ask', 'look', 'scene'])(
    'of the kind %s get every hostile value as it is, or refuse it with the same words at every door (T01, T02, T09, T12)',
    async (kind) => {
      // Each kind has a part of its own of all the values.
      const part = ['call', 'ask', 'look', 'scene'].indexOf(kind);
      const cases = hostileCases('string', folder).filter((_case, index) => index % 4 === part || index > 140);
      const requests = cases.map(({ args }) => ({ command: `${kind}.string`, args }));
      const started = gateway.launches.length;
      const [first = [], ...others] = await Promise.all(Object.values(DOORS).map((door) => door(requests)));
      for (const [index, { value }] of cases.entries()) {
        const expected = expectedAsData(value);
        const right = expected === 'refused' ? { status: 400, code: 'invalid_arguments' } : expected;
        expect([JSON.stringify(value).slice(0, 100), first[index]]).toEqual([expect.any(String), expect.objectContaining(right)]);
      }
      for (const verdicts of others) expect(verdicts).toEqual(first);
      expect(gateway.launches).toHaveLength(started);
    },
  );
});

describe('the program at the command line of the host', () => {
  const local: readonly (readonly [words: readonly string[], code: number, told: object])[] = [
    [['take.string', 'value=; id $(id) `id`'], 0, { stdout: '; id $(id) `id`\0', status: 'succeeded' }],
    [['take.string', 'value=a=b:=c'], 0, { stdout: 'a=b:=c\0' }],
    [['take.integer', 'value=12'], 0, { stdout: '12\0' }],
    [['take.string', 'value=12'], 0, { stdout: '12\0' }],
    [['take.string', 'value=--upload-pack=id'], 2, { code: 'invalid_arguments', errors: [{ path: 'args.value' }] }],
    [['take.string', 'value:="a\\u0000b"'], 2, { code: 'invalid_arguments', errors: [{ path: 'args.value' }] }],
    [['take.string', 'value=x', '__proto__=y'], 2, {}],
    [['take.path', 'value=../../etc/passwd'], 2, { code: 'invalid_arguments', errors: [{ path: 'args.value' }] }],
    [['--', '-rf'], 2, { code: 'command_unknown' }],
    [['..', 'value=x'], 2, { code: 'command_unknown' }],
  ];

  it.each(local)('gives %j the verdict of the server, with and without one', async (words, code, told) => {
    const home = programHome({ commands: hostileCommands(folder) });
    const here = home.say(['run', '--json', ...words]);
    const there = home.say(['run', '--json', '--url', gateway.url, ...words], { SALLYPORT_KEY: caller.key });
    for (const finished of await Promise.all([here, there])) {
      expect({ ...finished, stdout: JSON.parse(finished.stdout) as unknown }).toMatchObject({ code, stdout: told });
    }
  });
});
