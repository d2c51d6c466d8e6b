import { chmodSync, existsSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import type { CreatedKeyView, KeyView, RotatedKeyView } from '../src/auth/auth.schemas.js';
import { parseKey } from '../src/auth/key-format.js';
import type { AuditVerdict } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import type { ContainmentReport } from '../src/domain/sandbox.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { fixture, isAlive } from './fixtures/fixture.js';
import { command, drip, exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Finished, type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { stopWarmCli } from './kit/warm-cli.js';

afterEach(removeHomes);
afterAll(stopWarmCli);

const commands = {
  show: { ...show, phrases: ['show {value}'] },
  exits,
  drip,
  sleeper,
  'print.both': command({ script: { interpreter: 'sh', text: 'echo out; echo err >&2; exit 3' } }),
  'print.json': command({
    exec: ['printf', '%s %s %s', '{count}', '{all}', '{tree}'],
    params: { count: { type: 'integer' }, all: { type: 'boolean' }, tree: { type: 'json' } },
  }),
  hangs: { ...sleeper, timeout: '200ms' },
  'kills.itself': command({ exec: [fixture('kills-itself'), 'TERM'] }),
};
const home = () => programHome({ commands });
/** What Node prints of an error that nobody put into words. */
const STACK = /\n\s+at /;
const json = <T>({ stdout }: Finished) => JSON.parse(stdout) as T;

describe('sallyport', () => {
  it('shows its version and its help', async () => {
    const place = home();
    expect(await place.run(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n', stderr: '' });
    const help = await place.run(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const name of ['serve', 'check', 'doctor', 'keys', 'run', 'plan', 'explain', 'approvals', 'freeze', 'freezes', 'thaw', 'audit'])
      expect(help.stdout).toContain(`  ${name}`);
  });

  it('refuses bad usage', async () => {
    const place = home();
    const usages = [
      'frobnicate',
      'keys frobnicate',
      'keys create x --role king',
      'keys rotate',
      'keys revoke',
      'check --frob',
      'run',
      'run show --text x',
      'run --plan plan_x',
      'freeze --reason x --all --key y',
      'approvals list',
      'keys create x --calls 1',
    ];
    for (const { code, stdout, stderr } of await Promise.all(usages.map((words) => place.run(words.split(' '))))) {
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).not.toBe('');
      expect(stderr).not.toMatch(STACK);
    }
  });

  it('tells all mistakes in the settings at once, and no value, whatever it was asked for', async () => {
    const place = home();
    const settings = { PORT: 'canary1', BODY_LIMIT: 'canary2', ADMIN_KEY_FILE: 'canary3', ADMIN_KEY: undefined };
    const asked = ['serve', 'check', 'run show', 'keys list', 'audit verify'];
    for (const { code, stdout, stderr } of await Promise.all(asked.map((words) => place.say(words.split(' '), settings)))) {
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^The settings have 3 mistakes:\n {2}/);
      for (const setting of ['PORT', 'BODY_LIMIT', 'ADMIN_KEY_FILE']) expect(stderr).toContain(setting);
      expect(stderr).not.toContain('canary');
    }
  });
});

describe('sallyport doctor', () => {
  interface Findings {
    readonly ok: boolean;
    readonly observations: readonly {
      readonly weight: string;
      readonly about: string;
      readonly text: string;
      readonly advice: string | null;
    }[];
    readonly containment: ContainmentReport | null;
  }
  const about = ({ observations }: Findings, weight: string) =>
    observations.filter((found) => found.weight === weight).map((found) => found.about);

  it('tells what is contained here, and what is declared not to be', async () => {
    const place = home();
    const text = await place.run(['doctor'], { SANDBOX: 'auto' });
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toMatch(/^ok {7}store {8}/m);
    expect(text.stdout).toMatch(/outside of any sandbox \(profile host\): .*print\.both/);
    const found = json<Findings>(await place.run(['doctor', '--json'], { SANDBOX: 'auto' }));
    expect(found).toMatchObject({ ok: true, containment: { mode: 'auto' } });
    expect(about(found, 'failure')).toEqual([]);
    // One gap, one warning; the catalogue's own come besides.
    expect(about(found, 'warning').filter((name) => name === 'containment')).toHaveLength(found.containment?.gaps.length ?? NaN);
  });

  it('says in words that nothing is contained when it is told not to', async () => {
    const { code, stdout } = await home().say(['doctor']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^warning {2}containment {2}programs of the profile pure run with all rights of the gateway's user: SANDBOX is off$/m,
    );
  });

  it('fails with what would keep the gateway from starting', async () => {
    const place = home();
    place.write('commands/test.yaml', 'commands: [1]\n');
    const found = await place.say(['doctor', '--json']);
    expect(found.code).toBe(1);
    expect(about(json<Findings>(found), 'failure')).toEqual(['catalogue']);
  });
});

describe('what sallyport doctor finds', () => {
  interface Findings {
    readonly ok: boolean;
    readonly observations: readonly {
      readonly weight: string;
      readonly about: string;
      readonly text: string;
      readonly advice: string | null;
    }[];
  }
  const examine = async (place: ProgramHome, settings: Readonly<Record<string, string | undefined>> = {}) => {
    const finished = await place.say(['doctor', '--json'], settings);
    const { ok, observations } = json<Findings>(finished);
    // Whatever is wrong, it says what to do.
    expect(observations.filter(({ weight, advice }) => (weight === 'ok') !== (advice === null))).toEqual([]);
    expect([finished.code, finished.stderr]).toEqual([ok ? 0 : 1, '']);
    return observations.map(({ weight, about, text, advice }) => [weight, about, `${text} → ${advice}`] as const);
  };
  const wrong = (found: Awaited<ReturnType<typeof examine>>, name: string) =>
    found.filter(([weight, about]) => weight !== 'ok' && about === name).map(([weight, , text]) => `${weight}: ${text}`);

  it('are all mistakes in the settings, without a value', async () => {
    const found = await examine(home(), { PORT: 'canary1', BODY_LIMIT: 'canary2' });
    expect(wrong(found, 'settings')).toEqual([expect.stringMatching(/^failure: PORT/), expect.stringMatching(/^failure: BODY_LIMIT/)]);
    expect(JSON.stringify(found)).not.toContain('canary');
  });

  it('are all mistakes of the catalogue, each with its place', async () => {
    const place = home();
    place.write(
      'commands/test.yaml',
      'commands: { a: { summary: x, effect: red, exec: [echo] }, B: { summary: x, effect: read, builtin: greet } }\n',
    );
    const found = wrong(await examine(place), 'catalogue');
    expect(found).toEqual([
      expect.stringMatching(/^failure: commands\/test\.yaml:1:\d+ commands\.a/),
      expect.stringMatching(/commands\.B/),
    ]);
  });

  it('are places that it would tell things to in vain', async () => {
    const place = home();
    place.write('taken', 'a file');
    const listener = createServer();
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const there = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    const dsn = (url: string) => `${url.replace('//', '//canarykey@')}/42`;
    const well = await examine(place, { LOG_DIR: 'logs/of/requests', SENTRY_DSN: dsn(there), OTEL_EXPORTER_OTLP_ENDPOINT: there });
    for (const name of ['logs', 'errors', 'traces']) {
      expect(wrong(well, name)).toEqual([]);
      expect(well.filter(([, about]) => about === name)).toHaveLength(1);
    }
    await new Promise((resolve) => listener.close(resolve));
    const found = await examine(place, { LOG_DIR: 'taken', SENTRY_DSN: dsn(there), OTEL_EXPORTER_OTLP_ENDPOINT: there });
    expect(wrong(found, 'logs')).toEqual([expect.stringMatching(/^warning: LOG_DIR is not a folder/)]);
    expect(wrong(found, 'errors')).toEqual([expect.stringMatching(/^warning: SENTRY_DSN cannot be reached: ECONNREFUSED/)]);
    expect(wrong(found, 'traces')).toEqual([
      expect.stringMatching(/^warning: OTEL_EXPORTER_OTLP_ENDPOINT cannot be reached: ECONNREFUSED/),
    ]);
    expect(JSON.stringify([well, found])).not.toContain('canarykey');
  });

  it('are files and folders that are open to others', async () => {
    const place = home();
    await place.say(['keys', 'list']);
    expect(wrong(await examine(place), 'data')).toEqual([]);
    place.write('.env', 'TOKEN=x\n');
    place.write('admin', place.adminKey);
    place.write('sallyport.yaml', 'RUN_TIMEOUT: 5s\n');
    for (const [name, mode] of [
      ['.env', 0o644],
      ['admin', 0o604],
      ['sallyport.yaml', 0o646],
      ['data', 0o755],
      ['data/secret.key', 0o640],
    ] as const)
      chmodSync(join(place.folder, name), mode);
    const found = await examine(place, { ADMIN_KEY: undefined, ADMIN_KEY_FILE: 'admin' });
    expect(wrong(found, 'files')).toEqual([
      expect.stringMatching(/any user of this host may change sallyport\.yaml → chmod o-w /),
      expect.stringMatching(/any user of this host may read \.env → chmod 600 /),
      expect.stringMatching(/any user of this host may read admin → chmod 600 /),
    ]);
    expect(wrong(found, 'data')).toEqual([
      expect.stringMatching(/may enter DATA_DIR → chmod 700 /),
      expect.stringMatching(/secret\.key .* → chmod 600 /),
    ]);
  });

  it('is a DATA_DIR that is no folder', async () => {
    const place = home();
    place.write('data', 'a file');
    const found = await examine(place);
    expect(wrong(found, 'data')).toEqual([expect.stringMatching(/^failure: DATA_DIR is not a folder/)]);
    expect(wrong(found, 'store')).toHaveLength(1);
  });

  it('is a port that is taken, unless a gateway serves there', async () => {
    const other = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const PORT = String((other.address() as AddressInfo).port);
    try {
      expect(wrong(await examine(home(), { PORT }), 'port')).toEqual([
        expect.stringMatching(/^failure: 127\.0\.0\.1, port \d+ cannot be listened on: something else/),
      ]);
    } finally {
      other.close();
    }
    const place = home();
    const { port } = new URL(await (await place.serve()).url());
    const found = await examine(place, { PORT: port });
    expect(found).toContainEqual(['ok', 'port', `a gateway serves on 127.0.0.1, port ${port} → null`]);
  });
});

describe('sallyport check', () => {
  it('says what is declared when all is well', async () => {
    const place = home();
    const text = await place.say(['check']);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toContain('The settings are valid; the catalogue declares 8 commands.');
    expect(json(await place.say(['check', '--json']))).toMatchObject({
      ok: true,
      commands: expect.arrayContaining(['show', 'print.both']),
      mistakes: [],
    });
  });

  it('tells every mistake with file, line and column', async () => {
    const place = home();
    place.write(
      'commands/test.yaml',
      'commands:\n  one:\n    summary: One\n    effect: red\n    exec: [true]\n  two:\n    summary: Two\n    effect: read\n    exec: [no-such-program]\n    speed: 3\n',
    );
    const text = await place.say(['check']);
    expect(text.code).toBe(2);
    expect(text.stdout).toMatch(/^mistake {2}commands\/test\.yaml:4:5 commands\.one\.effect: /m);
    expect(text.stdout).toMatch(/^mistake {2}commands\/test\.yaml:5:12 commands\.one\.exec/m);
    expect(text.stdout).toMatch(/^mistake {2}commands\/test\.yaml:10:\d+ commands\.two\.speed: /m);
    const { ok, mistakes } = json<{ ok: boolean; mistakes: object[] }>(await place.say(['check', '--json']));
    expect(ok).toBe(false);
    expect(mistakes).toContainEqual(
      expect.objectContaining({ file: 'commands/test.yaml', line: 4, column: 5, path: 'commands.one.effect' }),
    );
    for (const args of [['serve'], ['run', 'one']]) {
      const { code, stderr, stdout } = await place.say(args);
      expect([args, code, stdout.includes('listening')]).toEqual([args, 2, false]);
      expect(stderr).toContain('commands/test.yaml:4:5');
      expect(stderr).not.toMatch(STACK);
    }
  });

  it('writes nothing', async () => {
    const place = home();
    await place.say(['check']);
    expect(existsSync(place.dataDir)).toBe(false);
  });
});

describe('sallyport run', () => {
  it('prints the output of the command and passes its exit code on', async () => {
    const place = home();
    const [shown, both, killed, hung] = await Promise.all(
      [['show', 'value=a b=c'], ['print.both'], ['kills.itself'], ['hangs']].map((words) => place.run(['run', ...words])),
    );
    expect(shown).toMatchObject({ code: 0, stdout: 'a b=c\0', stderr: '' });
    expect(both).toMatchObject({ code: 3, stdout: 'out\n', stderr: 'err\n' });
    expect(killed).toMatchObject({ code: 143 });
    expect(hung).toMatchObject({ code: 1, stderr: '(timed out)\n' });
  });

  it('takes JSON, declared types and phrases', async () => {
    const place = home();
    const typed = await place.say(['run', 'print.json', 'count=3', 'all=true', 'tree:={"a":[1]}']);
    expect(typed).toMatchObject({ code: 0, stdout: '3 true {"a":[1]}' });
    const phrase = await place.say(['run', '--text', 'show "two words"', '--json']);
    expect(json<RunEnvelope>(phrase)).toMatchObject({ command: 'show', status: 'succeeded', stdout: 'two words\0', keyId: 'local' });
  });

  it('explains a refusal, also as JSON, and starts nothing', async () => {
    const place = home();
    const unknown = await place.say(['run', 'shows']);
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toBe('command_unknown: There is no such command. Did you mean: show, show {value}?\n');
    const wrong = await place.say(['run', 'print.json', 'count=many', 'all=true', 'tree=1', '--json']);
    expect(wrong.code).toBe(2);
    expect(json<Problem>(wrong)).toMatchObject({
      code: 'invalid_arguments',
      status: 400,
      errors: [expect.objectContaining({ path: 'args.count' })],
    });
    expect(await place.say(['run', 'show', 'value'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: '"value" is neither name=value nor name:=json.\n',
    });
  });

  it('ends its program when it is interrupted', async () => {
    const place = home();
    const program = place.start(['run', 'sleeper', '--json']);
    await eventually(() => isUnderWay(place), 10_000);
    const finished = await program.end('SIGINT');
    const run = json<RunEnvelope>(finished);
    expect(run).toMatchObject({ status: 'cancelled', outcome: { kind: 'cancelled', by: 'local' } });
    expect([finished.code, isAlive(Number(run.stdout))]).toEqual([1, false]);
  });
});

/** Whether a run of this home is under way, as its database says. */
function isUnderWay(place: ProgramHome): boolean {
  const database = new Database(join(place.dataDir, 'sallyport.db'), { readonly: true, fileMustExist: true });
  const open = database.prepare('select id from runs where finished_at is null').get();
  database.close();
  return open !== undefined;
}

describe('sallyport keys', () => {
  it('generates keys that no store knows', async () => {
    const { code, stdout } = await home().run(['keys', 'generate']);
    expect(code).toBe(0);
    expect(parseKey(stdout.trim())).toBeDefined();
    expect(parseKey(json<{ key: string }>(await home().run(['keys', 'generate', '--json'])).key)).toBeDefined();
  });

  it('creates, lists and revokes keys of the folder; a server that starts there knows them', async () => {
    const place = home();
    const created = await place.say([
      'keys',
      'create',
      'ci',
      '--role',
      'admin',
      '--scope',
      'show',
      '--scope',
      'print.*',
      '--expires-in',
      '12h',
      '--json',
    ]);
    const key = json<CreatedKeyView>(created);
    expect(key).toMatchObject({ name: 'ci', role: 'admin', scopes: ['show', 'print.*'] });
    const other = await place.say(['keys', 'create', 'spare']);
    const otherKey = other.stdout.split('\n', 1)[0] ?? '';
    expect(other.stdout).toMatch(/^slp_\w+\n\nThis is the only time the key is shown\. Id \w{12}, role operator, scopes \*\.\n$/);
    const id = parseKey(otherKey)?.id ?? '';
    expect((await place.say(['keys', 'revoke', id])).stdout).toBe(`Key ${id} is revoked.\n`);
    const list = await place.say(['keys', 'list']);
    expect(list.stdout).toMatch(new RegExp(`^${key.id}  admin     ci  expires .*\\n${id}  operator  spare  revoked .*\\n$`));
    expect(list.stdout).not.toContain(otherKey);
    const server = await place.serve({ ADMIN_KEY: undefined });
    expect(server.stdout).not.toContain('slp_');
    expect((await (await server.as(key.key)).get('/auth/me')).status).toBe(200);
    expect((await (await server.as(otherKey)).get('/auth/me')).status).toBe(401);
  });

  it('rotates keys; a server on the same folder takes the new secret at once, and ends what the old one had open', async () => {
    const place = home();
    const server = await place.serve();
    const old =
      (await place.say(['keys', 'create', 'turning', '--address', '127.0.0.0/8', '--budget', '9'])).stdout.split('\n', 1)[0] ?? '';
    const id = parseKey(old)?.id ?? '';
    const stream = (await server.as(old)).post('/stream', { command: 'sleeper' }).then(Date.now, Date.now);
    const rotated = await place.say(['keys', 'rotate', id, '--overlap', '0s']);
    const rotatedAt = Date.now();
    expect(rotated.stdout).toMatch(/^slp_\w+\n\nThis is the only time the key is shown\. The old one is taken until \S+Z\.\n$/);
    expect((await stream) - rotatedAt).toBeLessThan(2_000);
    const key = rotated.stdout.split('\n', 1)[0] ?? '';
    expect((await (await server.as(key)).get('/auth/me')).body).toMatchObject({ id, budget: { limit: 9 } });
    expect((await (await server.as(old)).get('/auth/me')).status).toBe(401);
    expect(await place.say(['keys', 'rotate', id, '--overlap', 'long'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('overlap: '),
    });
    const remote = ['--url', await server.url(), '--json'];
    const again = await place.say(['keys', 'rotate', id, ...remote], { SALLYPORT_KEY: place.adminKey, DATA_DIR: '/nonexistent' });
    expect(json<RotatedKeyView>(again)).toMatchObject({ id, key: expect.stringContaining(id) });
  });

  it('refuses what cannot be: an unknown key, the last admin, a past expiry', async () => {
    const place = home();
    const { id } = json<CreatedKeyView>(await place.say(['keys', 'create', 'only', '--role', 'admin', '--json']));
    expect(await place.say(['keys', 'revoke', 'AAAAAAAAAAAA'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'key_unknown: There is no key of this id.\n',
    });
    expect(await place.say(['keys', 'revoke', id])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^conflict: /) });
    expect(await place.say(['keys', 'create', 'x', '--expires-in', 'soon'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expiresIn: expected a duration'),
    });
  });
});

describe('the first key', () => {
  it('is ADMIN_KEY, from the environment or a file, and is never printed', async () => {
    for (const from of ['ADMIN_KEY', 'ADMIN_KEY_FILE']) {
      const place = home();
      place.write('admin-key', `${place.adminKey}\n`);
      const server = await place.serve(from === 'ADMIN_KEY' ? {} : { ADMIN_KEY: undefined, ADMIN_KEY_FILE: 'admin-key' });
      expect((await (await server.as(place.adminKey)).get('/auth/me')).body).toMatchObject({ role: 'admin', name: 'bootstrap admin' });
      const { stdout, stderr } = await server.end('SIGTERM');
      expect(stdout + stderr).not.toContain('slp_');
    }
  });

  it('is made and printed once when none is given, and stands in no log line', async () => {
    const place = home();
    const server = await place.serve({ ADMIN_KEY: undefined });
    const key = /^ {4}(slp_\w+)$/m.exec(server.stdout)?.[1] ?? '';
    expect((await (await server.as(key)).get('/auth/me')).body).toMatchObject({ role: 'admin' });
    const { stdout } = await server.end('SIGTERM');
    expect(stdout.split('\n').filter((line) => line.startsWith('{') && line.includes(key))).toEqual([]);
    const again = await place.serve({ ADMIN_KEY: undefined });
    expect(again.stdout).not.toContain('slp_');
  });

  it('is refused when it is no key', async () => {
    const example = `slp_${'A'.repeat(12)}_${'A'.repeat(38)}`;
    const refused = await Promise.all(['hunter2', example].map((key) => home().run(['serve'], { ADMIN_KEY: key })));
    for (const { code, stdout, stderr } of [
      ...refused,
      await home().run(['serve'], { ADMIN_KEY: undefined, ADMIN_KEY_FILE: '/dev/null' }),
    ]) {
      expect([code, stdout.includes('listening')]).toEqual([2, false]);
      expect(stderr).toContain('ADMIN_KEY');
      expect(stderr + stdout).not.toMatch(/hunter2|AAAA/);
    }
  });
});

describe('sallyport serve', () => {
  it('says in words why it cannot listen', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const [taken, elsewhere] = await Promise.all([{ PORT: `${port}` }, { HOST: '192.0.2.1' }].map((settings) => home().run([], settings)));
    other.close();
    expect(taken).toMatchObject({
      code: 1,
      stderr: `Cannot listen on HOST 127.0.0.1, PORT ${port}: something else listens there already.\n`,
    });
    expect(elsewhere).toMatchObject({ code: 1, stderr: 'Cannot listen on HOST 192.0.2.1, PORT 0: this host has no such address.\n' });
  });
});

describe('sallyport audit verify', () => {
  it('finds the chain whole, and names the first entry that was changed', async () => {
    const place = home();
    await place.run(['run', 'show', 'value=x']);
    expect(await place.run(['audit', 'verify'])).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^The chain holds: 2 entries, head [0-9a-f]{64}, 0 checkpoints\.\nTail not provable: /),
    });
    tamper(place, 2);
    const [text, data] = await Promise.all([place.run(['audit', 'verify']), place.run(['audit', 'verify', '--json'])]);
    expect(text).toMatchObject({ code: 1, stdout: expect.stringMatching(/^The log is broken at entry 2: /) });
    expect(data.code).toBe(1);
    expect(json<AuditVerdict>(data)).toMatchObject({ ok: false, entries: 1, firstBad: 2 });
  });
});

/** Rewrites who did what in an entry, as somebody with the file in hand would. */
function tamper(place: ProgramHome, seq: number): void {
  const database = new Database(join(place.dataDir, 'sallyport.db'));
  const { changes } = database.prepare('update audit_entries set principal_id = ? where seq = ?').run('nobody', seq);
  database.close();
  expect(changes).toBe(1);
}

describe('with --url', () => {
  it('works at a server what works here', async () => {
    const place = home();
    const server = await place.serve();
    const remote = ['--url', await server.url()];
    const as = (key: string) => ({ SALLYPORT_KEY: key, ADMIN_KEY: undefined, DATA_DIR: '/nonexistent' });
    const created = json<CreatedKeyView>(await place.say(['keys', 'create', 'ci', '--json', ...remote], as(place.adminKey)));
    expect(created).toMatchObject({ name: 'ci', role: 'operator', scopes: ['*'] });
    const here = as(created.key);
    const run = await place.say(['run', 'print.json', 'count=3', 'all=false', 'tree:=[]', '--json', ...remote], here);
    expect(json<RunEnvelope>(run)).toMatchObject({ keyId: created.id, stdout: '3 false []' });
    expect(await place.say(['run', 'print.both', ...remote], here)).toMatchObject({ code: 3, stdout: 'out\n', stderr: 'err\n' });
    expect(await place.say(['run', '--text', 'show x', ...remote], here)).toMatchObject({ code: 0, stdout: 'x\0' });
    const refused = await place.say(['run', 'print.json', 'count=x', 'all=false', 'tree:=[]', ...remote], here);
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^invalid_arguments: .*\n {2}args\.count: /) });
    expect(await place.say(['keys', 'list', ...remote], here)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^forbidden: /) });
    expect((await place.say(['audit', 'verify', ...remote], as(place.adminKey))).stdout).toMatch(/^The chain holds: \d+ entries/);
    expect((await place.say(['keys', 'revoke', created.id, ...remote], as(place.adminKey))).code).toBe(0);
    const { items } = json<{ items: KeyView[] }>(await place.say(['keys', 'list', '--json', ...remote], as(place.adminKey)));
    expect(items.find(({ id }) => id === created.id)?.revokedAt).not.toBeNull();
    expect(await place.say(['run', 'show', 'value=x', ...remote], here)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^unauthenticated: /),
    });
  });

  it('says when there is no key, no server, or no address', async () => {
    const place = home();
    expect(await place.run(['keys', 'list', '--url', 'http://127.0.0.1:9'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('SALLYPORT_KEY is not set'),
    });
    const unreachable = await place.run(['keys', 'list', '--url', 'http://127.0.0.1:9'], { SALLYPORT_KEY: place.adminKey });
    expect(unreachable).toMatchObject({ code: 1, stderr: expect.stringContaining('http://127.0.0.1:9 cannot be reached') });
    const nonsense = await place.run(['keys', 'list', '--url', 'gateway'], { SALLYPORT_KEY: place.adminKey });
    expect([nonsense.code, STACK.test(nonsense.stderr)]).toEqual([2, false]);
  });
});
