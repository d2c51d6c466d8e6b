import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { catalogueFolder, commandOf, mistakesOf, refusalsOf, temporaryFolder } from '../../test/kit/catalogue-of.js';
import { FAILURE_KINDS } from '../domain/failure.js';
import type { ProcessInvocation } from '../domain/command.js';
import type { CompiledCommand } from './command-compiler.js';

const processOf = async (command: CompiledCommand, args: unknown = {}) => (await command.prepare(args)).invocation as ProcessInvocation;
const text = { type: 'string', optional: true };

describe('a command', () => {
  it('has the defaults of its effect', async () => {
    expect(await commandOf({ exec: ['echo'] })).toMatchObject({
      role: 'operator',
      idempotent: true,
      retry: null,
      cacheMs: null,
      timeoutMs: 30_000,
      parse: 'text',
    });
    expect(await commandOf({ exec: ['echo'], effect: 'change' })).toMatchObject({ role: 'operator', idempotent: false });
    expect(await commandOf({ exec: ['echo'], effect: 'destroy' })).toMatchObject({ role: 'admin' });
  });

  it('has what it declares', async () => {
    const declared = {
      timeout: '2s',
      limits: { concurrent: 2, rate: '30/min', output: '1KiB' },
      retry: { attempts: 3 },
      breaker: 'b',
      cache: '5s',
      output: { parse: 'json' },
    };
    expect(await commandOf({ exec: ['echo'], ...declared })).toMatchObject({
      timeoutMs: 2_000,
      limits: { concurrent: 2, rate: { count: 30, windowMs: 60_000 }, outputBytes: 1_024 },
      retry: { attempts: 3, delayMs: 100, maxDelayMs: 1_000, budgetMs: null, attemptTimeoutMs: null, on: FAILURE_KINDS },
      breaker: { name: 'b', failures: 5, recoveryMs: 30_000, probes: 1, concurrent: null, on: FAILURE_KINDS },
      cacheMs: 5_000,
      parse: 'json',
    });
  });

  it('shares a breaker with others by its name; one of them says what it is like', async () => {
    const named = (name: string, breaker: unknown) =>
      `  ${name}: ${JSON.stringify({ summary: 's', effect: 'read', exec: ['echo'], breaker })}\n`;
    const { catalogue } = catalogueFolder(
      `commands:\n${named('a', 'git')}${named('b', { name: 'git', failures: 2, recovery: '1min', on: ['timeout'] })}${named('c', {})}`,
    );
    await catalogue.reload();
    const git = { name: 'git', failures: 2, recoveryMs: 60_000, probes: 1, concurrent: null, on: ['timeout'] };
    expect([catalogue.get('a')?.breaker, catalogue.get('b')?.breaker]).toEqual([git, git]);
    expect(catalogue.get('c')?.breaker).toMatchObject({ name: 'c', failures: 5 });
    expect(await mistakesOf(`commands:\n${named('a', { name: 'git' })}${named('b', { name: 'git' })}`)).toEqual([
      expect.stringContaining('a says already what the breaker git is like'),
    ]);
  });

  it.each([
    [{ retry: { attempts: 2, budget: '31s' }, timeout: '30s' }, 'retry.budget: is longer than the timeout of the whole'],
    [{ retry: { attempts: 2, timeout: '31s' }, timeout: '30s' }, 'retry.timeout: is longer than the timeout of the whole'],
    [{ retry: { attempts: 2, delay: '2s' } }, 'retry.delay: is longer than maxDelay'],
    [{ retry: { attempts: 6 } }, 'retry.attempts: '],
    [{ retry: { attempts: 2, on: ['bad luck'] } }, 'retry.on.0: expected one of never_started, refused'],
    [{ breaker: { failures: 0 } }, 'breaker.failures: Too small'],
    [{ retry: { attempts: 2 }, idempotent: false }, 'retry: only a command that reads or is idempotent may be retried'],
    [{ fallback: 'stale' }, 'fallback: needs a cache to take the result from'],
  ])('has no place for %j', async (declared, mistake) => {
    const body = JSON.stringify({ summary: 's', effect: 'read', exec: ['echo'], ...declared });
    expect((await mistakesOf(`commands:\n  test: ${body}\n`)).join('\n')).toContain(mistake);
  });

  it('starts its program by absolute path, with an environment made from nothing (T43)', async () => {
    const command = await commandOf({ exec: ['echo', 'a b', '{ print }', 'HEAD@{1}'], env: { MODE: 'x' } });
    expect(await processOf(command)).toEqual({
      kind: 'process',
      file: expect.stringMatching(/^\/(usr\/)?bin\/echo$/),
      argv: ['echo', 'a b', '{ print }', 'HEAD@{1}'],
      env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', LANG: 'C', MODE: 'x' },
      cwd: '/',
      stdin: null,
      sandbox: { profile: 'pure', read: [], write: [] },
      limits: { cpuSeconds: null, memoryBytes: 1024 ** 3, processes: 256, fileBytes: 1024 ** 3, openFiles: 1024 },
      files: [],
    });
  });

  it('drops elements of params that are not given', async () => {
    const command = await commandOf({
      exec: ['echo', '{a}', '--b={b}', { if: 'flag', add: ['--flag', '--with={a}'] }],
      params: { a: text, b: text, flag: { type: 'boolean', default: false } },
    });
    expect((await processOf(command)).argv).toEqual(['echo']);
    expect((await processOf(command, { a: '', b: 'x', flag: true })).argv).toEqual(['echo', '', '--b=x', '--flag', '--with=']);
    expect((await processOf(command, { flag: true })).argv).toEqual(['echo', '--flag']);
  });

  it.each([
    ['sh', ['sh', '-c', 'CODE', 'test', '1', '$(id)']],
    ['bash', ['bash', '-c', 'CODE', 'test', '1', '$(id)']],
    ['python3', ['python3', '-I', '-c', 'CODE', '1', '$(id)']],
    ['perl', ['perl', '-e', 'CODE', '--', '1', '$(id)']],
  ])('hands arguments to a script of %s as positional parameters', async (interpreter, argv) => {
    const command = await commandOf({ script: { interpreter, text: 'CODE', args: ['1', '{a}'] }, params: { a: text } });
    expect((await processOf(command, { a: '$(id)' })).argv).toEqual(argv);
  });

  it('hands values over by env, stdin and private file', async () => {
    const command = await commandOf({
      exec: ['cat', '{key}', '--file={key}'],
      env: { LEVEL: '{level}', TOKEN: '{token}' },
      stdin: '{body}',
      params: {
        level: { type: 'integer', optional: true },
        token: { type: 'secret' },
        body: { type: 'text' },
        key: { type: 'secret', via: 'file' },
      },
    });
    const prepared = await command.prepare({ level: 3, token: 'tok', body: 'a\nb', key: 'k' });
    const invocation = prepared.invocation as ProcessInvocation;
    expect(invocation.env).toMatchObject({ LEVEL: '3', TOKEN: 'tok' });
    expect(invocation.stdin).toBe('a\nb');
    expect(invocation.files).toEqual([{ placeholder: '\0{key}', content: 'k' }]);
    expect(invocation.argv).toEqual(['cat', '\0{key}', '--file=\0{key}']);
    expect(prepared.secrets).toEqual(['tok', 'k']);
    expect(prepared.args).toEqual({ level: 3, token: '«secret»', body: 'a\nb', key: '«secret»' });
    expect((await processOf(command, { token: 'tok', body: '', key: 'k' })).env).not.toHaveProperty('LEVEL');
  });

  it('replaces variables in root, cwd and env, once, and tells the redactor of credentials', async () => {
    const folder = temporaryFolder();
    const variables: Record<string, string> = { PATH: '/usr/bin:/bin', WHERE: folder, WORD: '${WHERE}', NPM: 'credential-of-npm' };
    const command = await commandOf(
      {
        exec: ['echo', '{p}'],
        cwd: '${WHERE}',
        env: { A: '<${WORD}>', B: '${NONE:-c}', NPM_TOKEN: '${NPM}' },
        params: { p: { type: 'path', root: '${WHERE}' } },
      },
      { variable: (name) => variables[name] },
    );
    const { invocation, secrets } = await command.prepare({ p: 'x' });
    expect(invocation).toMatchObject({
      cwd: folder,
      env: { A: '<${WHERE}>', B: 'c', NPM_TOKEN: 'credential-of-npm' },
      argv: ['echo', `${folder}/x`],
    });
    expect(secrets).toEqual(['credential-of-npm']);
  });

  it('gives a builtin its arguments', async () => {
    const command = await commandOf({ builtin: 'greet', params: { name: text } });
    expect(command.executor).toBe('builtin');
    expect((await command.prepare({ name: '-x' })).invocation).toEqual({ kind: 'builtin', name: 'greet', args: { name: '-x' } });
  });

  it('refuses what it does not declare (T08, T10)', async () => {
    const command = await commandOf({ exec: ['echo', '{a}'], params: { a: text } });
    for (const args of ['{"__proto__":{"a":"x"}}', '{"constructor":1}', '{"b":1}', '{"PATH":"x"}', '{"a":"x","toString":1}']) {
      expect(await refusalsOf(command, JSON.parse(args))).toEqual([
        { path: expect.any(String), message: 'is not a param of this command' },
      ]);
    }
    expect(await refusalsOf(command, { ['x'.repeat(10_000)]: 1 })).toEqual([{ path: 'args.?', message: 'is not a param of this command' }]);
    for (const args of [null, [], 'a', 5])
      expect(await refusalsOf(command, args)).toEqual([{ path: 'args', message: 'expected an object' }]);
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
    const bare = await commandOf({ exec: ['echo'] });
    for (const args of [null, [], 'a', JSON.parse('{"__proto__":1}')]) expect(await refusalsOf(bare, args)).toHaveLength(1);
  });

  it('reports every mistake at once', async () => {
    const command = await commandOf({
      exec: ['echo', '{a}', '{b}'],
      params: { a: { type: 'integer' }, b: { type: 'enum', values: ['x'] } },
    });
    expect(await refusalsOf(command, { a: 'no', b: 'no' })).toEqual([
      { path: 'args.a', message: 'expected a whole number of at least 0' },
      { path: 'args.b', message: 'expected one of x' },
    ]);
  });

  it('refuses arguments that a process cannot be given (P12)', async () => {
    const json = { type: 'json', maxLength: 1_048_576 };
    const one = await commandOf({ exec: ['echo', '{a}'], params: { a: json } });
    expect(await refusalsOf(one, { a: 'x'.repeat(131_069) })).toEqual([]);
    expect(await refusalsOf(one, { a: 'x'.repeat(131_070) })).toEqual([
      { path: 'args', message: 'one of them is too large for a process' },
    ]);
    expect(await refusalsOf(one, { a: '€'.repeat(50_000) })).toHaveLength(1);
    const many = await commandOf({ exec: ['echo', ...Array.from({ length: 9 }, () => '{a}')], params: { a: json } });
    expect(await refusalsOf(many, { a: 'x'.repeat(130_000) })).toEqual([{ path: 'args', message: 'are too large together for a process' }]);
  });

  it('names equal calls alike, and never a secret in clear (T62)', async () => {
    const declaration = { exec: ['echo', '--n={n}'], stdin: '{s}', params: { n: { type: 'integer', default: 1 }, s: { type: 'secret' } } };
    const key = randomBytes(32);
    const command = await commandOf(declaration, { secretKey: () => key });
    const digest = async (args: object) => (await command.prepare(args)).argsDigest;
    expect(await digest({ s: 'a' })).toBe(await digest({ n: 1, s: 'a' }));
    expect(await digest({ s: 'a' })).not.toBe(await digest({ s: 'b' }));
    expect(await digest({ s: 'a' })).not.toBe(await digest({ n: 2, s: 'a' }));
    const restarted = await commandOf(declaration, { secretKey: () => Buffer.from(key) });
    expect((await restarted.prepare({ s: 'a' })).argsDigest).toBe(await digest({ s: 'a' }));
    const elsewhere = await commandOf(declaration);
    expect(elsewhere.version).toBe(command.version);
    expect((await elsewhere.prepare({ s: 'a' })).argsDigest).not.toBe(await digest({ s: 'a' }));
  });

  it('has another version when its declaration changes', async () => {
    const [a, b] = await Promise.all([commandOf({ exec: ['echo', 'a'] }), commandOf({ exec: ['echo', 'b'] })]);
    expect(a.version).toMatch(/^[0-9a-f]{64}$/);
    expect(a.version).not.toBe(b.version);
  });

  it('prepares many calls at once without mixing them up (T15)', async () => {
    const command = await commandOf({
      exec: ['echo', '{a}', '{p}'],
      params: { a: text, p: { type: 'path', root: '/usr', default: 'bin' } },
    });
    const calls = await Promise.all(
      Array.from({ length: 500 }, async (_, index) => (await processOf(command, { a: `n${index}` })).argv[1]),
    );
    expect(calls).toEqual(calls.map((_, index) => `n${index}`));
  });
});

describe('the sandbox of a command', () => {
  const inFolder = temporaryFolder();
  const [work, sub, other] = ['work', 'work/sub', 'other'].map((name) => join(inFolder, name)) as [string, string, string];
  mkdirSync(sub, { recursive: true });
  mkdirSync(other);

  it('shows the roots of its path params and its working folder, which can be written where a folder around them can', async () => {
    const params = { a: { type: 'path', root: sub, default: '.' }, b: { type: 'path', root: other, default: '.' } };
    const command = await commandOf({ exec: ['echo', '{a}', '{b}'], params, cwd: work, effect: 'change', sandbox: { write: [work] } });
    expect((await processOf(command)).sandbox).toEqual({ profile: 'workspace', read: [other], write: [work] });
    expect(command.places.toSorted()).toEqual([other, work]);
  });

  it.each([
    ['read', { sandbox: { read: ['/'] } }, 'sandbox.read.0'],
    ['write', { effect: 'change', sandbox: { write: ['/'] } }, 'sandbox.write.0'],
    ['read: devices', { sandbox: { read: ['/dev'] } }, 'sandbox.read.0'],
    ['root', { exec: ['echo', '{p}'], params: { p: { type: 'path', root: '/' } } }, 'params.p.root'],
  ])('shows no folder of the kernel: %s', async (_name, declaration, path) => {
    await expect(commandOf({ exec: ['echo'], ...declaration })).rejects.toThrow(
      `${path}: holds folders of the kernel, which no sandbox shows: name a folder below it, or the profile host`,
    );
    const outside = await commandOf({ exec: ['echo'], ...declaration, sandbox: { profile: 'host' } });
    expect(outside.places).toEqual([]);
  });
});
