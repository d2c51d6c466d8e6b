import { readdirSync, readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { maskOf } from '../src/redaction/masks.js';
import { secretForms } from '../src/redaction/secret-forms.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, startGateway, stopGateways } from './kit/gateway.js';
import { programHome, removeHomes } from './kit/program.js';
import { parseScrape } from './kit/scrape.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-redaction-'));
afterAll(async () => {
  await removeHomes();
  rmSync(folder, { recursive: true });
});
afterEach(stopGateways);

/** Prints the secret in every encoding, in two pieces, wrapped, with escapes in it, and on stderr. */
const TELL_ALL = `
const secret = process.env.CANARY, bytes = Buffer.from(secret), hex = bytes.toString('hex');
const padded = [0, 1, 2].map((n) => Buffer.from('x'.repeat(n) + secret + 'yy').toString('base64'));
const wrapped = Buffer.from('z'.repeat(50) + secret + 'z'.repeat(40)).toString('base64').replace(/.{76}/g, '$&\\n');
console.log([secret, ...padded, bytes.toString('base64url'), hex, hex.toUpperCase(), encodeURIComponent(secret), JSON.stringify(secret)].join('\\n'));
console.log(wrapped);
console.log('https://user:' + encodeURIComponent(secret) + '@host/');
console.log([...secret].join('\\u001b[0m'));
process.stdout.write(secret.slice(0, 7));
setTimeout(() => { console.log(secret.slice(7)); console.error(secret); }, 60);
`;
const CANARY = 'Can"ary/' + '7 & kéy?x9';

const canaryCommand = (more: object = {}) =>
  command({ exec: [process.execPath, '-e', TELL_ALL], params: { canary: { type: 'secret' } }, env: { CANARY: '{canary}' }, ...more });

describe('a canary [R3, R6, T40]', () => {
  /** Every text in which it would be recognised. */
  const forms = secretForms([CANARY]).filter((form) => form.length >= 8);

  it('comes out of no door, whichever way it is encoded', async () => {
    const home = programHome({
      commands: {
        canary: canaryCommand(),
        fails: canaryCommand({ retry: { attempts: 2 } }),
        lines: canaryCommand({ output: { parse: 'lines' } }),
      },
    });
    const server = await home.serve({ LOG_LEVEL: 'trace' });
    const admin = await server.as(home.adminKey);
    const body = { command: 'canary', args: { canary: CANARY } };
    const run = (await admin.post<RunEnvelope>('/run', body)).body;
    expect(run.stdout.split(maskOf('secret')).length - 1).toBeGreaterThanOrEqual(12);
    const later = (await admin.post<RunEnvelope>('/run', body, { prefer: 'respond-async' })).body.id;
    const doors: Record<string, unknown> = {
      run,
      batch: (await admin.post('/batch', { items: [body, { ...body, command: 'lines' }] })).body,
      stream: (await admin.post('/stream', body)).body,
      'stream of a run': (await admin.get(`/runs/${later}/stream`)).body,
      'what came later': (await admin.get(`/runs/${later}`)).body,
      output: (await admin.get(`/runs/${run.id}/output`)).body,
      chunks: (await admin.get(`/runs/${run.id}/output`, { accept: 'application/x-ndjson' })).body,
      repeated: (await admin.post('/run', { ...body, command: 'fails' })).body,
      'problem of a mistaken argument': (await admin.post('/run', { command: 'canary', args: { canary: CANARY, extra: CANARY } })).body,
      'problem of an unknown command': (await admin.get(`/commands/${encodeURIComponent(CANARY)}`)).body,
      'problem of an unknown route': (await admin.get(`/nope/${encodeURIComponent(CANARY)}?token=${encodeURIComponent(CANARY)}`)).body,
      'problem of a wrong key': (
        await admin.get('/auth/me', { authorization: `Bearer ${Buffer.from(CANARY).toString('base64')}`, 'x-api-key': '' })
      ).body,
      history: (await admin.get('/runs?limit=200')).body,
      audit: (await admin.get('/audit?limit=200')).body,
      commands: (await admin.get('/commands')).body,
      metrics: (await admin.get('/metrics')).body,
    };
    await eventually(() => server.log().filter(({ route }) => route === '/metrics').length > 0);
    await server.end('SIGTERM');
    doors['log'] = server.stdout + server.stderr;
    for (const entry of readdirSync(home.dataDir, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) doors[entry.name] = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    expect(Object.keys(doors)).toContain('sallyport.db');
    const leaks = Object.entries(doors).flatMap(([door, content]) => {
      // Text as it is; JSON's own escapes are among the forms.
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      return forms.filter((form) => text.includes(form)).map((form) => [door, form]);
    });
    expect(leaks).toEqual([]);
    for (const door of ['run', 'batch', 'stream', 'output', 'repeated', 'what came later'])
      expect([door, JSON.stringify(doors[door]).includes(maskOf('secret'))]).toEqual([door, true]);
  });
});

describe('a gateway [R6, A6]', () => {
  it('masks in its log what it is told, whoever tells it', async () => {
    const token = 'gh' + 'p_' + 'a1B2c3D4e5F6g7H8i9J0'.repeat(2).slice(0, 36);
    const home = programHome();
    const server = await home.serve();
    const reason = `${token} has leaked, see ${['jane.roe', 'example.org'].join('@')}`;
    const frozen = await (await server.as(home.adminKey)).request('PUT', '/freezes', { body: { target: { all: true }, reason } });
    expect(frozen.status).toBeLessThan(300);
    await server.end('SIGTERM');
    const next = await home.serve();
    const line = next.log().find(({ message }) => message === 'a freeze is in force');
    expect(line?.['reason']).toBe(`${maskOf('github_token')} has leaked, see ${maskOf('email')}`);
    await next.end('SIGTERM');
    for (const { stdout, stderr } of [server, next]) expect(stdout + stderr).not.toContain(token);
  });
});

describe('sallyport doctor --canary', () => {
  it('prints a secret and finds it nowhere', async () => {
    const home = programHome();
    const { code, stdout, stderr } = await home.start(['doctor', '--canary', '--json'], { SANDBOX: 'off' }).finished;
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout) as { ok: boolean; masks: number; sinks: { sink: string; bytes: number; leaks: number }[] };
    expect(report).toMatchObject({ ok: true, masks: 5 });
    expect(report.sinks.map(({ sink }) => sink.split('/').at(-1))).toEqual(
      expect.arrayContaining(['response', 'history', 'audit', 'metrics', 'sallyport.db']),
    );
    expect(report.sinks.every(({ leaks }) => leaks === 0)).toBe(true);
  });
});

describe('what an operator wants masked', () => {
  const prints = (text: string) => command({ exec: ['printf', '%s', text] });

  async function stdoutOf(caller: Caller, name: string): Promise<string> {
    return (await caller.post<RunEnvelope>('/run', { command: name })).body.stdout;
  }

  it('is masked by rules of the operator’s own, and what is off is not; each counted by its kind', async () => {
    const rules = join(folder, 'rules.yaml');
    writeFileSync(rules, "rules:\n  - name: employee\n    pattern: 'EMP-[0-9]{6}'\n");
    const text = 'by EMP-' + '123456, jane.roe' + '@example.org, 123-45-' + '6789';
    const gateway = await startGateway({
      commands: { tell: prints(text) },
      settings: { REDACTION_OFF: 'email, phone', REDACTION_RULES: rules },
    });
    const admin = await gateway.as('admin');
    expect(await stdoutOf(admin, 'tell')).toBe('by «redacted:employee», jane.roe' + '@example.org, «redacted:ssn»');
    const metrics = parseScrape((await gateway.anonymous().get<string>('/metrics')).body);
    expect(['employee', 'ssn', 'email'].map((kind) => metrics.value('redactions_total', { kind }) ?? 0)).toEqual([1, 1, 0]);
  });

  it.each([
    ['a kind that there is not', { REDACTION_OFF: 'emails' }, 'REDACTION_OFF'],
    ['a kind that is always on', { REDACTION_OFF: 'secret' }, 'REDACTION_OFF'],
    ['no file', { REDACTION_RULES: '/nowhere/rules.yaml' }, 'REDACTION_RULES'],
  ])('is refused at the start: %s', async (_name, settings, named) => {
    await expect(startGateway({ settings })).rejects.toThrow(named);
  });
});
