import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GENESIS_HASH, type AuditEntry, type AuditVerdict } from '../domain/audit.js';
import { auditHash, verifyLog } from './audit-verifier.js';

const LENGTH = 50;

describe('the verifier of the audit log', () => {
  let log: AuditEntry[];

  beforeAll(() => {
    log = [];
    for (let seq = 1; seq <= LENGTH; seq += 1) log.push(sealed({ ...sample(seq), previousHash: log.at(-1)?.hash ?? GENESIS_HASH }));
  });

  const verify = (entries: readonly AuditEntry[]): Promise<AuditVerdict> =>
    verifyLog(
      (async function* () {
        yield* entries;
      })(),
    );

  async function expectFirstBad(entries: readonly AuditEntry[], position: number): Promise<void> {
    expect(await verify(entries)).toEqual({ ok: false, entries: position - 1, firstBad: position, reason: expect.any(String) });
  }

  it('finds nothing wrong with an empty and an honest log', async () => {
    expect(await verify([])).toMatchObject({ ok: true, entries: 0, head: GENESIS_HASH, tail: 'not provable' });
    expect(await verify(log)).toMatchObject({ ok: true, entries: LENGTH, head: log.at(-1)?.hash, tail: 'not provable' });
  });

  it('names the entry of which any character was changed', async () => {
    for (const [index, entry] of log.entries()) {
      for (const [field, value] of Object.entries(entry)) {
        if (typeof value !== 'string') continue;
        for (let place = 0; place < value.length; place += 1) {
          const changed = `${value.slice(0, place)}${value[place] === 'x' ? 'y' : 'x'}${value.slice(place + 1)}`;
          await expectFirstBad(log.with(index, { ...entry, [field]: changed }), index + 1);
        }
      }
    }
  });

  it('names the entry of which the number or the details were changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(LENGTH - 1), fc.jsonValue(), async (index, value) => {
        const entry = log[index] as AuditEntry;
        await expectFirstBad(log.with(index, { ...entry, details: { ...entry.details, more: value } }), index + 1);
        await expectFirstBad(log.with(index, { ...entry, seq: entry.seq + 1 }), index + 1);
      }),
    );
  });

  it('names the place where an entry was deleted, doubled or put in', async () => {
    for (let index = 0; index < LENGTH; index += 1) {
      const entry = log[index] as AuditEntry;
      if (index < LENGTH - 1) await expectFirstBad(log.toSpliced(index, 1), index + 1);
      await expectFirstBad(log.toSpliced(index, 0, entry), index + 2);
      await expectFirstBad(
        log.toSpliced(index, 0, sealed({ ...sample(index + 1), subject: 'forged', previousHash: entry.previousHash })),
        index + 2,
      );
    }
  });

  it('names the first of two entries that changed places, with or without their numbers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(LENGTH - 1), fc.nat(LENGTH - 1), async (one, other) => {
        fc.pre(one < other);
        const [a, b] = [log[one] as AuditEntry, log[other] as AuditEntry];
        await expectFirstBad(log.with(one, b).with(other, a), one + 1);
        await expectFirstBad(log.with(one, { ...b, seq: a.seq }).with(other, { ...a, seq: b.seq }), one + 1);
      }),
    );
  });

  it('names the entry after one that was rewritten with a fresh hash', async () => {
    for (let index = 0; index < LENGTH - 1; index += 1) {
      await expectFirstBad(log.with(index, sealed({ ...(log[index] as AuditEntry), subject: 'rewritten' })), index + 2);
    }
  });

  it('names the first entry of a log whose beginning was cut off', async () => {
    for (let cut = 1; cut < LENGTH; cut += 1) await expectFirstBad(log.slice(cut), 1);
  });
});

function sample(seq: number): Omit<AuditEntry, 'hash' | 'previousHash'> {
  return {
    seq,
    at: `2026-01-01T00:00:${seq}.000Z`,
    action: 'run.intent',
    principalId: 'k',
    subject: `run-${seq}`,
    requestId: `r${seq}`,
    details: { args: { count: seq } },
  };
}

function sealed(entry: Omit<AuditEntry, 'hash'>): AuditEntry {
  const { seq, at, action, principalId, subject, requestId, details, previousHash } = entry;
  const unhashed = { seq, at, action, principalId, subject, requestId, details, previousHash };
  return { ...unhashed, hash: auditHash(unhashed) };
}
