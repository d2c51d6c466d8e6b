import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { auditAppend, openStore, type TestStore } from '../../test/kit/storage.js';
import { AuditStore } from '../domain/audit.js';
import { AuditLog } from '../domain/audit-log.js';
import { WriteHealth } from '../domain/db.js';
import { Clock } from '../domain/ports.js';
import { unwrapAnswers } from '../http/answer.js';
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
    ];
    @Module({
      imports: [{ module: class Ports {}, global: true, providers: ports, exports: ports }, AuditModule.with(() => ({ clean: true }))],
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
    'cursor=1&cursor=2',
  ])('refuses the query %s', async (query) => {
    expect((await app.inject(`/audit?${query}`)).statusCode).not.toBe(200);
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
