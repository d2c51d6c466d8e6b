import { beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { catalogueFolder, refusalsOf, temporaryFolder } from '../../test/kit/catalogue-of.js';
import { catalogueJsonSchema } from './catalogue-json-schema.js';

const directory = resolve('commands');
const repos = temporaryFolder();
const REPOSITORIES = { hostile: 'hostile', partial: 'partial', inner: 'hostile/inner' };
const REPOS = Object.entries(REPOSITORIES).map(([name, folder]) => `${name}=${join(repos, folder)}`);
const variables: Record<string, string> = { PATH: '/usr/local/bin:/usr/bin:/bin', REPOS: REPOS.join(',') };
for (const folder of Object.values(REPOSITORIES)) mkdirSync(join(repos, folder), { recursive: true });
const { catalogue } = catalogueFolder(undefined, { directory, variable: (name) => variables[name] });
beforeAll(() => catalogue.reload());

async function run(name: string, args: object): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const { invocation } = (await catalogue.get(name)?.prepare(args)) ?? {};
  if (invocation?.kind !== 'process') throw new Error(`${name} starts no process`);
  const { file, argv, env, cwd, stdin } = invocation;
  return spawnSync(file, argv.slice(1), { argv0: argv[0] ?? file, env, cwd, input: stdin ?? '', encoding: 'utf8' });
}

describe('the shipped catalogue', () => {
  it('loads on a bare machine', async () => {
    const { catalogue: bare } = catalogueFolder(undefined, {
      directory,
      variable: (name) => (['PATH', 'DOCS_ROOT'].includes(name) ? temporaryFolder() : undefined),
    });
    await bare.reload();
    const names = bare.all().map(({ name }) => name);
    expect(names.filter((name) => !name.startsWith('obs.'))).toEqual([
      'agents.assistant',
      'greet',
      'http.check',
      'http.health',
      'knowledge.answer',
      'knowledge.refresh',
      'knowledge.search',
      'llm.ask',
      'llm.classify',
      'llm.summarise',
    ]);
    expect(bare.warnings.length).toBeGreaterThan(5);
  });

  it('fits the JSON Schema that editors use', () => {
    const validate = new Ajv2020({ strict: false }).compile(catalogueJsonSchema());
    for (const file of readdirSync(directory)) {
      expect([file, validate(parse(readFileSync(join(directory, file), 'utf8'))), validate.errors]).toEqual([file, true, null]);
    }
  });

  it('only reads, but for what OBS is told, which is off until it is configured', () => {
    const others = catalogue.all().filter(({ executor }) => executor !== 'obs');
    expect(others.filter(({ effect, role }) => effect !== 'read' || role !== 'operator')).toEqual([]);
  });

  it.each([
    ['git log', 'git.log', {}],
    ['last 3 commits', 'git.log', { count: 3 }],
    ['Good morning!', 'greet', {}],
    ['hi Ada', 'greet', { name: 'Ada' }],
    ['disk usage', 'system.disk', {}],
    ['switch to scene Live on Stage', 'obs.switch', { scene: 'Live on Stage' }],
    ['is the gateway up?', 'http.health', {}],
    ['check the service', 'http.check', {}],
    ['Ask the model why the sky is blue', 'llm.ask', { question: 'why the sky is blue' }],
    ['summarise "one two" three', 'llm.summarise', { text: 'one two three' }],
  ])('understands %j', (text, name, args) => {
    expect(catalogue.resolveText(text, () => true)).toMatchObject({ kind: 'matched', command: { name }, args });
  });

  it('calls the own gateway at its port, whatever that is', async () => {
    for (const [port, url] of [
      [undefined, 'http://127.0.0.1:8080/health'],
      ['8443', 'http://127.0.0.1:8443/health'],
      ['0', 'http://127.0.0.1:0/health'],
    ] as const) {
      const { catalogue: one } = catalogueFolder(undefined, { directory, variable: (name) => (name === 'PORT' ? port : undefined) });
      await one.reload();
      expect((await one.get('http.health')?.prepare({}))?.invocation).toMatchObject({ kind: 'http', method: 'GET', url });
    }
  });

  it('has a call that is off until its address is set, and says so', async () => {
    const off = catalogue.get('http.check');
    expect(off?.unavailable).toMatch(/has to set CHECK_URL/);
    await expect(off?.prepare({})).rejects.toMatchObject({ code: 'executor_unavailable' });
    const address = 'http://10.1.2.3:9000/health';
    const { catalogue: set } = catalogueFolder(undefined, { directory, variable: (name) => (name === 'CHECK_URL' ? address : undefined) });
    await set.reload();
    expect(set.get('http.check')?.unavailable).toBeNull();
    expect((await set.get('http.check')?.prepare({}))?.invocation).toMatchObject({ url: address });
  });

  it('hashes and counts a text from stdin', async () => {
    const args = { text: '-abc\n$(id)\n' };
    expect((await run('text.hash', args)).stdout).toBe(execFileSync('sha256sum', { input: args.text, encoding: 'utf8' }));
    expect((await run('text.count', args)).stdout.trim().split(/\s+/)).toEqual(['2', '2', '11']);
  });

  it('tells of the host', async () => {
    for (const name of ['system.uptime', 'system.memory', 'system.disk', 'system.processes']) {
      if (catalogue.get(name)) expect([name, (await run(name, {})).status]).toEqual([name, 0]);
    }
    expect((await run('system.watch', { samples: 2, interval: '1s' })).stdout.trim().split('\n')).toHaveLength(2);
  });
});

const traps = join(repos, 'fired');
const host = {
  PATH: variables['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.com',
};
const git = (folder: string, ...args: string[]) =>
  execFileSync('git', ['-C', folder, ...args], { env: host, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

/** A program that leaves its name behind when it is run. */
function trap(name: string): string {
  const file = join(repos, `trap-${name.replaceAll(/\W/g, '_')}.sh`);
  writeFileSync(file, `#!/bin/sh\necho '${name.replaceAll("'", '')}' >> ${traps}\ncat\n`);
  chmodSync(file, 0o755);
  return file;
}

const TRAPPED_SETTINGS = [
  'core.fsmonitor',
  'core.pager',
  'pager.log',
  'pager.status',
  'pager.diff',
  'pager.show',
  'pager.for-each-ref',
  'core.editor',
  'core.sshCommand',
  'core.askPass',
  'core.gitProxy',
  'core.alternateRefsCommand',
  'credential.helper',
  'diff.external',
  'diff.evil.command',
  'diff.evil.textconv',
  'filter.evil.clean',
  'filter.evil.smudge',
  'filter.long.process',
  'filter.we ird."=x.clean',
  'gpg.program',
  'gpg.openpgp.program',
  'gpg.ssh.program',
  'remote.origin.uploadpack',
  'alias.log',
  'alias.status',
];

/** A repository whose own files name a program at every place where git would run one, and that has something to show. */
function hostileRepository(name: string): string {
  const folder = join(repos, name);
  git(folder, 'init', '-q', '-b', 'main');
  for (const file of ['a.txt', 'b.long', 'c.weird', 'd.evil']) writeFileSync(join(folder, file), 'one\n');
  git(folder, 'add', '.');
  git(folder, 'commit', '-qm', 'first');
  const signed = execFileSync('git', ['-C', folder, 'cat-file', 'commit', 'HEAD'], { env: host, encoding: 'utf8' }).replace(
    '\n\n',
    `\nparent ${git(folder, 'rev-parse', 'HEAD')}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n`,
  );
  const lines = signed.split('\n');
  const parent = lines.splice(
    lines.findIndex((line) => line.startsWith('parent ')),
    1,
  );
  lines.splice(1, 0, ...parent);
  const commit = execFileSync('git', ['-C', folder, 'hash-object', '-t', 'commit', '-w', '--stdin'], {
    env: host,
    input: lines.join('\n'),
    encoding: 'utf8',
  }).trim();
  git(folder, 'update-ref', 'refs/heads/main', commit);
  writeFileSync(join(folder, '.gitattributes'), '*.txt filter=evil diff=evil\n*.long filter=long\n*.weird filter=we\n*.evil diff=evil\n');
  writeFileSync(join(folder, '.git/info/attributes'), 'd.evil filter=evil diff=evil\n');
  for (const setting of TRAPPED_SETTINGS)
    git(folder, 'config', setting, setting.startsWith('alias.') ? `!${trap(setting)}` : trap(setting));
  for (const [key, value] of [
    ['filter.evil.required', 'true'],
    ['filter.long.required', 'true'],
    ['log.showSignature', 'true'],
    ['format.pretty', '%H %G? %GG'],
    ['status.submoduleSummary', 'true'],
    ['diff.submodule', 'log'],
    ['color.ui', 'always'],
    ['core.worktree', '/etc'],
    ['core.hooksPath', join(folder, '.git/hooks')],
    ['protocol.ext.allow', 'always'],
  ] as const) {
    git(folder, 'config', key, value);
  }
  for (const hook of ['post-index-change', 'fsmonitor-watchman', 'post-checkout', 'reference-transaction', 'pre-auto-gc']) {
    writeFileSync(join(folder, '.git/hooks', hook), `#!/bin/sh\necho hook ${hook} >> ${traps}\n`, { mode: 0o755 });
  }
  for (const file of ['a.txt', 'd.evil']) writeFileSync(join(folder, file), 'two\n');
  for (const file of ['b.long', 'c.weird']) utimesSync(join(folder, file), 1, 1);
  return folder;
}

describe('the shipped git commands (T05)', () => {
  beforeAll(() => void hostileRepository('hostile'));

  const calls: readonly (readonly [string, object, RegExp])[] = [
    ['git.status', {}, /^## main\n(?: M a\.txt\n M d\.evil\n)\?\? \.gitattributes\n$/],
    ['git.log', {}, /^[0-9a-f]{7} \d{4}-\d\d-\d\d A: first\n[0-9a-f]{7} \d{4}-\d\d-\d\d A: first\n$/],
    ['git.log', { ref: 'main~1..main', count: 1, path: 'a.txt' }, /^$/],
    ['git.diff', {}, /^diff --git a\/a\.txt.*\n-one\n\+two\n/s],
    ['git.diff', { ref: 'HEAD', stat: true }, /2 files changed/],
    ['git.diff', { staged: true }, /^$/],
    ['git.branches', {}, /^\* main [0-9a-f]{7} \d{4}-\d\d-\d\d first\n$/],
    ['git.show', {}, /^commit [0-9a-f]{40}\nAuthor: A/],
    ['git.show', { ref: 'main~1' }, /new file mode/],
  ];

  it.each(calls)('%s %j shows a hostile repository without running anything of it', async (name, args, output) => {
    rmSync(traps, { force: true });
    const { status, stdout, stderr } = await run(name, { repo: 'hostile', ...args });
    expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: '', stdout: expect.stringMatching(output) });
    expect(existsSync(traps) ? readFileSync(traps, 'utf8') : '').toBe('');
  });

  it('has traps that do fire on a careless call', () => {
    rmSync(traps, { force: true });
    const folder = join(repos, 'hostile');
    for (const args of [['status'], ['log'], ['show', 'main~1'], ['diff']])
      spawnSync('git', ['-C', folder, `--work-tree=${folder}`, ...args], { env: host });
    const fired = readFileSync(traps, 'utf8');
    for (const name of ['core.fsmonitor', 'gpg.', 'diff.', 'filter.']) expect(fired).toContain(name);
  });

  it('fetches nothing for a repository that claims to be partial', async () => {
    const folder = hostileRepository('partial');
    const blob = git(folder, 'rev-parse', 'HEAD:a.txt');
    for (const [key, value] of [
      ['extensions.partialClone', 'origin'],
      ['core.repositoryFormatVersion', '1'],
      ['remote.origin.promisor', 'true'],
      ['remote.origin.url', `ext::${trap('ext')}`],
    ] as const) {
      git(folder, 'config', key, value);
    }
    rmSync(join(folder, '.git/objects', blob.slice(0, 2), blob.slice(2)));
    rmSync(traps, { force: true });
    expect((await run('git.show', { repo: 'partial', ref: 'main~1' })).status).not.toBe(0);
    expect(existsSync(traps)).toBe(false);
  });

  it('works on a repository of somebody else', async () => {
    if (process.getuid?.() !== 0) return;
    execFileSync('chown', ['-R', '65534', join(repos, 'hostile')]);
    expect((await run('git.status', { repo: 'hostile' })).status).toBe(0);
    expect((await run('git.log', { repo: 'hostile' })).status).toBe(0);
  });

  it('does not climb to a repository above', async () => {
    expect((await run('git.log', { repo: 'inner' })).status).toBe(128);
  });

  it('takes the first repository unless another is named', async () => {
    expect((await run('git.log', {})).stdout).toBe((await run('git.log', { repo: 'hostile' })).stdout);
    expect(catalogue.get('git.log')?.argumentsSchema).toMatchObject({
      properties: { repo: { enum: Object.keys(REPOSITORIES), default: 'hostile' } },
    });
  });

  it.each(['hostile/inner', '.', '..', '/etc', 'Hostile', `${repos}/hostile`, '--git-dir=x'])('knows no repository %j', async (repo) => {
    for (const name of ['git.status', 'git.log', 'git.diff', 'git.branches', 'git.show']) {
      const command = catalogue.get(name);
      expect(command && (await refusalsOf(command, { repo }))).toEqual([
        { path: 'args.repo', message: 'expected one of hostile, partial, inner' },
      ]);
    }
  });

  it.each([
    ['git status of Partial', 'git.status', { repo: 'partial' }],
    ['last 3 commits of inner?', 'git.log', { count: 3, repo: 'inner' }],
    ['what has changed in hostile', 'git.status', { repo: 'hostile' }],
    ['git show main~1 of partial', 'git.show', { ref: 'main~1', repo: 'partial' }],
  ])('understands %j', (text, name, args) => {
    expect(catalogue.resolveText(text, () => true)).toMatchObject({ kind: 'matched', command: { name }, args });
  });

  it('takes no name for a repository in a phrase that is none', () => {
    expect(catalogue.resolveText('git status of ../etc', () => true)).toMatchObject({ kind: 'unmatched' });
  });

  it('share a breaker that no question opens, however wrong [H13]', () => {
    const policies = catalogue
      .all()
      .filter(({ name }) => name.startsWith('git.'))
      .map(({ breaker }) => breaker);
    expect(policies).toHaveLength(5);
    for (const policy of policies) expect(policy).toMatchObject({ name: 'git', on: ['timeout', 'never_started', 'lost'] });
  });

  it.each(['--upload-pack=x', '-p', '--output=x', 'HEAD --all', ':/x', '', 'a\nb'])('refuses %j as a ref (T04)', async (ref) => {
    for (const name of ['git.log', 'git.diff', 'git.show']) {
      const command = catalogue.get(name);
      expect(command && (await refusalsOf(command, { repo: 'hostile', ref }))).not.toEqual([]);
    }
  });

  it('takes a file name as nothing but a file name', async () => {
    expect((await run('git.diff', { repo: 'hostile', path: ':(top)' })).stdout).toBe('');
    expect((await run('git.diff', { repo: 'hostile', path: '../../../etc/passwd' })).status).toBe(128);
  });
});
