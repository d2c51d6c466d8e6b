import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { secondVerdict } from '../../test/kit/second-audit-verifier.js';
import { auditAppend, openStore, type TestStore } from '../../test/kit/storage.js';
import { loadSettings } from '../config/settings.js';
import { AuditStore } from '../domain/audit.js';
import { AuditSeed } from '../domain/audit-checkpoint.js';
import { AuditLog } from '../domain/audit-log.js';
import { Db, WriteHealth } from '../domain/db.js';
import { ErrorTracker } from '../domain/error-tracker.js';
import { NoErrorTracker } from '../error-tracking/no-error-tracker.js';
import { Clock } from '../domain/ports.js';
import { unwrapAnswers } from '../http/answer.js';
import { Metrics } from '../metrics/metrics.js';
import { AuditModule } from './audit.module.js';
import { AuditProbe } from './audit.probe.js';

const NOW = '2026-01-02T03:04:05.678Z';

describe('the audit room', () => {
  let store: TestStore;
  let app: NestFastifyApplication;

  beforeEach(async () => {
    store = await openStore();
    const ports = [
      { provide: Clock, useValue: { now: () => NOW, monotonic: () => 0 } satisfies Clock },
      { provide: AuditStore, useValue: store.audit },
      { provide: WriteHealth, useValue: store.db },
      { provide: Db, useValue: store.db },
      { provide: Metrics, useValue: new Metrics() },
      { provide: ErrorTracker, useValue: new NoErrorTracker() },
      { provide: AuditSeed, useValue: { bytes: randomBytes(32), open: () => undefined } satisfies AuditSeed },
    ];
    const { settings } = loadSettings({}, store.folder);
    @Module({
      imports: [
        { module: class Ports {}, global: true, providers: ports, exports: ports },
        AuditModule.with({ settings, logger: pino({ level: 'silent' }), sanitise: () => ({ clean: true }) }),
      ],
    })
    class TestModule {}
    app = await NestFactory.create<NestFastifyApplication>(TestModule, new FastifyAdapter(), { logger: false });
    unwrapAnswers(app.getHttpAdapter().getInstance());
    await app.init();
  });
  afterEach(async () => {
    await app.close();
    await store.close();
  });

  it('appends what the sanitiser lets through, with the time of the clock', async () => {
    const record = { action: 'key.created', principalId: 'p', subject: 's', requestId: 'r', details: { password: 'hunter2' } } as const;
    await store.db.commit([app.get(AuditLog).appended(record)]);
    expect((await store.audit.page({ limit: 1 })).items).toMatchObject([{ ...record, details: { clean: true }, at: NOW, seq: 1 }]);
  });

  it('pages the log, newest first', async () => {
    await store.db.commit(Array.from({ length: 5 }, (_, index) => auditAppend(`s${index}`)));
    const first = await app.inject('/audit?limit=2&action=run.intent');
    expect(first.json<{ items: object[] }>()).toMatchObject({ items: [{ seq: 5 }, { seq: 4 }], nextCursor: '4' });
    const rest = await app.inject('/audit?limit=3&cursor=4');
    expect(rest.json<{ items: object[] }>()).toMatchObject({ items: [{ seq: 3 }, { seq: 2 }, { seq: 1 }], nextCursor: null });
  });

  it('pages what a filter lets through', async () => {
    const day = (number: number) => `2026-01-0${number}T00:00:00.000Z`;
    await store.db.commit(
      Array.from({ length: 9 }, (_, index) => ({
        ...auditAppend(`s${index % 3}`, { principalId: `p${index % 2}`, action: index === 4 ? 'key.created' : 'run.intent' }),
        at: day(index + 1),
      })),
    );
    const seqs = async (query: string) =>
      (await app.inject(`/audit?${query}`)).json<{ items: { seq: number }[] }>().items.map(({ seq }) => seq);
    expect(await seqs('principal=p1')).toEqual([8, 6, 4, 2]);
    expect(await seqs('subject=s0&principal=p0')).toEqual([7, 1]);
    expect(await seqs('action=run.intent&subject=s1')).toEqual([8, 2]);
    expect(await seqs('action=key.created')).toEqual([5]);
    expect(await seqs(`from=${day(3)}&to=${day(5)}`)).toEqual([4, 3]);
    expect(await seqs(`from=${encodeURIComponent('2026-01-09T01:00:00+01:00')}`)).toEqual([9]);
    const first = await app.inject('/audit?principal=p0&limit=2');
    expect(first.headers['link']).toContain('principal=p0&cursor=7');
    expect(await seqs('principal=p0&limit=2&cursor=7')).toEqual([5, 3]);
    expect(await seqs('principal=nobody')).toEqual([]);
  });

  it('finds what a filter lets through far down in a long log, and lets others have their turn', async () => {
    await store.db.commit([auditAppend('needle')]);
    store.tamper(`with recursive n(i) as (select 2 union all select i + 1 from n where i < 50000)
      insert into audit_entries select i, at, action, principal_id, 'hay', request_id, details, previous_hash, hash from audit_entries, n`);
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 0);
    const page = await store.audit.page({ limit: 2, subject: 'needle' });
    clearInterval(timer);
    expect(page).toMatchObject({ items: [{ seq: 1 }], nextCursor: null });
    expect(turns).toBeGreaterThan(0);
  });

  it.each([
    'limit=0',
    'limit=201',
    'limit=x',
    'cursor=0',
    'cursor=-1',
    'cursor=1.5',
    'cursor=',
    'action=run',
    'surprise=1',
    'from=yesterday',
    'to=2026-01-01',
    'principal=',
    'cursor=1&cursor=2',
  ])('refuses the query %s', async (query) => {
    expect((await app.inject(`/audit?${query}`)).statusCode).not.toBe(200);
  });

  it('hands out the whole log, in which no text can forge a line or steer a terminal [T44]', async () => {
    const hostile = 'a\r\nb\n{"seq":2}\u001b[2J\u009b31m\u0085\u2028\u2029\u007f","x":"\\=1+1';
    const fields = { principalId: hostile, subject: `=${hostile}`, requestId: `+${hostile}`, details: { [hostile]: hostile } };
    await store.db.commit([auditAppend('s', fields), auditAppend('s', { details: { 'b"': ',', a: ['"'] } })]);
    const ndjson = await app.inject('/audit/export');
    expect(ndjson.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'content-disposition': expect.stringContaining('audit.ndjson'),
    });
    const lines = ndjson.body.split('\n');
    expect(lines.map((line) => line && (JSON.parse(line) as { subject: string }).subject)).toEqual([`=${hostile}`, 's', '']);
    expect(await secondVerdict(ndjson.rawPayload)).toEqual({ firstBad: null, proven: 0 });
    const csv = await app.inject('/audit/export?format=csv');
    expect(csv.headers).toMatchObject({ 'content-type': 'text/csv; charset=utf-8' });
    const rows = csv.body.split('\r\n');
    expect([rows.length, rows[0]]).toEqual([4, 'seq,at,action,principalId,subject,requestId,details,previousHash,hash']);
    expect(rows[1]).toMatch(/^1,[^,]+,run\.intent,"a\\u000d\\u000ab.*","'=a.*","'\+a/);
    for (const text of [lines.join(''), rows.join('')]) expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    expect((await app.inject('/audit/export?format=xml')).statusCode).not.toBe(200);
  });

  it('names the first bad entry of a spoilt log', async () => {
    await store.db.commit(Array.from({ length: 5 }, (_, index) => auditAppend(`s${index}`)));
    expect((await app.inject('/audit/verify')).json()).toMatchObject({ ok: true, entries: 5 });
    store.tamper("update audit_entries set subject = 'x' where seq = 3");
    expect((await app.inject('/audit/verify')).json()).toMatchObject({ ok: false, entries: 2, firstBad: 3 });
  });

  it('is unwell when the newest entry was changed or nothing can be appended', async () => {
    const probe = app.get(AuditProbe);
    await probe.check();
    await store.db.commit([auditAppend('s')]);
    await probe.check();
    store.tamper("update audit_entries set subject = 'x'");
    await expect(probe.check()).rejects.toMatchObject({ code: 'storage_unavailable' });
    await store.db.stop();
    await expect(probe.check()).rejects.toMatchObject({ code: 'storage_unavailable' });
  });
});
