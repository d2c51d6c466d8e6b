import { copyFileSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CheckpointView } from '../src/audit/audit-review.js';
import { splitNotes } from '../src/audit/checkpoint-text.js';
import type { AuditVerdict } from '../src/domain/audit.js';
import { show } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { parseScrape } from './kit/scrape.js';
import { secondVerdict } from './kit/second-audit-verifier.js';
import { withDatabase } from './kit/storage.js';

const ANCHORS = { AUDIT_ANCHOR_FILE: 'anchor.txt' };

describe('checkpoints of the audit log', () => {
  let home: ProgramHome;
  let keeper: Server | undefined;

  beforeEach(() => {
    home = programHome({ commands: { show } });
  });
  afterEach(async () => {
    keeper?.close();
    keeper?.closeAllConnections();
    keeper = undefined;
    await removeHomes();
  });

  const inHome = (name: string) => join(home.folder, name);
  const read = (name: string) => readFileSync(inHome(name), 'utf8');
  const verify = async (args: readonly string[] = [], settings = {}) => {
    const { code, stdout, stderr } = await home.run(['audit', 'verify', '--json', ...args], settings);
    return { code, stderr, verdict: stdout === '' ? undefined : (JSON.parse(stdout) as AuditVerdict) };
  };

  /** A server that starts, runs something and stops. */
  async function serveOnce(settings: Readonly<Record<string, string>> = {}, runs = 1): Promise<void> {
    const server = await home.serve(settings);
    const caller = await server.as(home.adminKey);
    for (let count = 0; count < runs; count += 1) await caller.run('show', { value: 'x' });
    await server.end('SIGTERM');
  }

  /** Does to the whole log what somebody would who may write the database, and nothing else. */
  function rechain(sql: string): void {
    withDatabase(home.dataDir, (database) => database.exec(sql));
  }

  it('are signed at the start and at the end, kept in the store and in a file, and prove the log', async () => {
    await serveOnce(ANCHORS);
    expect(statSync(join(home.dataDir, 'audit.key'))).toMatchObject({ size: 32, mode: 0o100600 });
    expect(splitNotes(read('anchor.txt'))).toHaveLength(2);
    expect(await verify([], ANCHORS)).toMatchObject({ code: 0, verdict: { ok: true, tail: 'proven' } });
    expect(await verify()).toMatchObject({ code: 3, verdict: { ok: true, checkpoints: 2, proven: 0, tail: 'not provable' } });
    expect((await home.run(['audit', 'verify'])).stdout).toContain('Tail not provable: No checkpoint from outside was given');
  }, 60_000);

  it('are signed after so many entries, and shown with their key at a server [D11]', async () => {
    const server = await home.serve({ AUDIT_CHECKPOINT_ENTRIES: '6', AUDIT_CHECKPOINT_INTERVAL: '24h' });
    const admin = await server.as(home.adminKey);
    const checkpoint = async () => (await admin.get<CheckpointView>('/audit/checkpoint')).body;
    const { size } = await checkpoint();
    for (let count = 0; count < 3; count += 1) await admin.run('show', { value: 'x' });
    await eventually(async () => (await checkpoint()).size === size + 6, 5_000);
    const { note, publicKey } = await checkpoint();
    expect(note).toMatch(/^sallyport\/audit\/[0-9a-f]{16}\n\d+\n[A-Za-z0-9+/]{43}=\n\n— sallyport\/audit\/[0-9a-f]{16} [A-Za-z0-9+/=]+\n$/);
    const log = (await admin.get<string>('/audit/export')).body;
    expect(await secondVerdict(Buffer.from(log), [note], [publicKey])).toEqual({ firstBad: null, proven: size + 6 });
    expect((await admin.get('/audit/verify')).body).toMatchObject({ ok: true, proven: 0, tail: 'not provable' });
    const printed = await home.run(['audit', 'checkpoint', '--url', await server.url()], { SALLYPORT_KEY: home.adminKey });
    expect(printed.stdout.trim()).toBe(note.trim());
  }, 60_000);

  it('are signed after so much time, when there is something new', async () => {
    const server = await home.serve({ AUDIT_CHECKPOINT_INTERVAL: '1s', AUDIT_CHECKPOINT_ENTRIES: '1000000' });
    const admin = await server.as(home.adminKey);
    const signed = async () => parseScrape((await admin.get<string>('/metrics')).body).value('audit_checkpoints_total');
    expect(await signed()).toBe(1);
    await admin.run('show', { value: 'x' });
    await eventually(async () => (await signed()) === 2, 5_000);
  }, 60_000);

  it('let an export be verified where there is nothing else, against a checkpoint that was kept', async () => {
    await serveOnce();
    const { note, publicKey, size } = JSON.parse((await home.run(['audit', 'checkpoint', '--json'])).stdout) as CheckpointView;
    writeFileSync(inHome('kept.txt'), note);
    const log = (await home.run(['audit', 'export'])).stdout;
    writeFileSync(inHome('audit.ndjson'), log);
    writeFileSync(inHome('cut.ndjson'), log.split('\n').slice(0, -3).join('\n').concat('\n'));
    const nowhere = { DATA_DIR: '/nonexistent', CATALOGUE_DIR: '/nonexistent' };
    const offline = (file: string, ...more: string[]) => verify(['--file', file, ...more], nowhere);
    const trusting = ['--checkpoint', 'kept.txt', '--public-key', publicKey];
    expect(await offline('audit.ndjson', ...trusting)).toMatchObject({ code: 0, verdict: { proven: size, tail: 'proven' } });
    expect(await offline('audit.ndjson')).toMatchObject({ code: 3, verdict: { tail: 'not provable' } });
    expect(await offline('cut.ndjson')).toMatchObject({ code: 3 });
    expect(await offline('cut.ndjson', ...trusting)).toMatchObject({ code: 1, verdict: { firstBad: size - 1 } });
    for (const [file, ...more] of [
      ['missing.ndjson'],
      ['audit.ndjson', '--checkpoint', 'kept.txt'],
      ['audit.ndjson', '--checkpoint', 'audit.ndjson', '--public-key', publicKey],
      ['audit.ndjson', '--checkpoint', 'missing.txt', '--public-key', publicKey],
      ['audit.ndjson', '--checkpoint', 'kept.txt', '--public-key', `${publicKey}x`],
    ] as const) {
      expect(await offline(file, ...more)).toMatchObject({ code: 2, verdict: undefined, stderr: expect.stringMatching(/./) });
    }
  }, 60_000);

  it('find an older database that was put back, at the next start and by the verifier, and sign it no more [D11] [T59]', async () => {
    await serveOnce(ANCHORS);
    copyFileSync(join(home.dataDir, 'sallyport.db'), inHome('yesterday.db'));
    await serveOnce(ANCHORS);
    copyFileSync(inHome('yesterday.db'), join(home.dataDir, 'sallyport.db'));
    const anchored = read('anchor.txt');
    expect(await verify()).toMatchObject({ code: 3 });
    expect(await verify([], ANCHORS)).toMatchObject({ code: 1, verdict: { reason: expect.stringContaining('missing') } });
    const server = await home.serve(ANCHORS);
    const admin = await server.as(home.adminKey);
    expect(await admin.get('/ready')).toMatchObject({ status: 503, body: { failing: ['audit'] } });
    await eventually(() =>
      server.log().some(({ level, message }) => level === 'error' && String(message).includes('contradicts a checkpoint')),
    );
    await server.end('SIGTERM');
    expect(read('anchor.txt')).toBe(anchored);
    renameSync(inHome('anchor.txt'), inHome('anchor.old'));
    const accepted = await home.serve(ANCHORS);
    expect((await (await accepted.as(home.adminKey)).get('/ready')).status).toBe(200);
  }, 60_000);

  it('find a log that was cut while the gateway ran', async () => {
    const server = await home.serve({ AUDIT_CHECKPOINT_ENTRIES: '1' });
    const admin = await server.as(home.adminKey);
    await admin.run('show', { value: 'x' });
    const size = async () => (await admin.get<CheckpointView>('/audit/checkpoint')).body.size;
    await eventually(async () => (await size()) >= 4, 5_000);
    rechain('delete from audit_entries where seq > 2');
    await eventually(async () => (await admin.get('/ready')).status === 503, 5_000);
    expect((await admin.get('/audit/verify')).body).toMatchObject({ ok: false, firstBad: 3 });
  }, 60_000);

  it('find checkpoints in the store that somebody forged or changed', async () => {
    await serveOnce(ANCHORS);
    rechain(`update audit_checkpoints set note = replace(note, size || char(10), (size - 1) || char(10))`);
    expect(await verify()).toMatchObject({ code: 1, verdict: { reason: expect.stringContaining('is not signed by the key of this log') } });
  }, 60_000);

  it('are posted to a webhook, and an anchor that fails holds up nothing', async () => {
    const notes: string[] = [];
    let status = 204;
    keeper = createServer((request, response) => void text(request).then((note) => (notes.push(note), response.writeHead(status).end())));
    await new Promise<void>((resolve) => keeper?.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(keeper.address() as AddressInfo).port}/keep`;
    const server = await home.serve({
      AUDIT_ANCHOR_URL: url,
      AUDIT_ANCHOR_FILE: '/nonexistent/anchor.txt',
      AUDIT_CHECKPOINT_ENTRIES: '1',
      OUTGOING_PRIVATE_RANGES: '127.0.0.1/32',
    });
    const admin = await server.as(home.adminKey);
    expect(notes).toEqual([(await admin.get<CheckpointView>('/audit/checkpoint')).body.note]);
    status = 500;
    await admin.run('show', { value: 'x' });
    const failures = async (anchor: string) =>
      parseScrape((await admin.get<string>('/metrics')).body).value('audit_anchor_failures_total', { anchor });
    await eventually(async () => (await failures('webhook')) === 1, 5_000);
    expect(await failures('file')).toBe(2);
    await eventually(() => server.log().some(({ level, anchor }) => level === 'warn' && anchor === 'webhook'));
    expect((await admin.get('/ready')).status).toBe(200);
  }, 60_000);

  it('are posted to no address of this host or its neighbours unless an operator allows it [H17] [T06]', async () => {
    let connections = 0;
    keeper = createServer((_, response) => void response.end());
    keeper.on('connection', () => connections++);
    await new Promise<void>((resolve) => keeper?.listen(0, '127.0.0.1', resolve));
    const { port } = keeper.address() as AddressInfo;
    const server = await home.serve({ AUDIT_ANCHOR_URL: `http://localhost:${port}/hidden-path`, AUDIT_CHECKPOINT_ENTRIES: '1' });
    await (await server.as(home.adminKey)).run('show', { value: 'x' });
    await eventually(() => server.log().some(({ level, anchor }) => level === 'warn' && anchor === 'webhook'));
    expect(connections).toBe(0);
    expect(JSON.stringify(server.log())).not.toContain('hidden-path');
  }, 60_000);
});
