import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { readExport } from '../src/audit/audit-export.js';
import { auditHash, verifyLog } from '../src/audit/audit-verifier.js';
import { openCheckpoint, signCheckpoint } from '../src/audit/checkpoint-text.js';
import { NoteSigner } from '../src/audit/signed-note.js';
import { GENESIS_HASH, type AuditEntry } from '../src/domain/audit.js';
import { chain, exportOf, flipAll, piecesOf, sampleEntry, verdictsOn } from './kit/audit-log.js';

const LENGTH = 200;
const signer = new NoteSigner(randomBytes(32));

describe('a log of 200 entries that somebody changed', () => {
  let entries: AuditEntry[];
  let log: Buffer;
  let places: number[];

  beforeAll(() => {
    entries = chain(Array.from({ length: LENGTH }, (_, index) => sampleEntry(index + 1)));
    log = exportOf(entries);
    places = [0];
    for (const [place, byte] of log.entries()) if (byte === 0x0a) places.push(place + 1);
  });

  it('is sound to both verifiers as long as nobody did', async () => {
    expect(await verdicts(log)).toEqual({ first: null, second: null, proven: 0 });
    const notes = [noteOf(50), noteOf(LENGTH)];
    expect(await verdicts(log, notes)).toEqual({ first: null, second: null, proven: LENGTH });
    expect(await verdicts(Buffer.alloc(0))).toEqual({ first: null, second: null, proven: 0 });
  });

  it('gives away every single byte that was flipped, in some of the lines, and where [D10] [D12]', async () => {
    expect(await flipAll(log, (line) => line % 67 === 1 || line === LENGTH)).toEqual({ flipped: expect.any(Number), missed: [] });
  }, 60_000);

  it('gives away each entry that was deleted, doubled or swapped with the next [D10] [T59]', async () => {
    for (let index = 0; index < LENGTH; index += 1) {
      const here = entries[index] as AuditEntry;
      const next = entries[index + 1];
      await expectFirstBad(entries.toSpliced(index, 0, here), index + 2);
      if (!next) continue;
      await expectFirstBad(entries.toSpliced(index, 1), index + 1);
      await expectFirstBad(entries.with(index, next).with(index + 1, here), index + 1);
    }
  });

  it('gives away an entry that was rewritten with a fresh hash by the one after it [D10]', async () => {
    for (let index = 0; index < LENGTH - 1; index += 1) {
      const forged = { ...(entries[index] as AuditEntry), subject: 'forged' };
      await expectFirstBad(entries.with(index, { ...forged, hash: auditHash(forged) }), index + 2);
    }
  });

  it('gives away a whole new chain with fresh hashes, from the last checkpoint that holds on [D11] [T59]', async () => {
    const notes = [noteOf(60), noteOf(140)];
    for (const [rewritten, firstBad] of [
      [1, 1],
      [60, 1],
      [61, 61],
      [140, 61],
    ] as const) {
      const forged = exportOf(chain(entries.map((entry) => (entry.seq === rewritten ? { ...entry, principalId: 'somebody' } : entry))));
      expect(await verdicts(forged)).toMatchObject({ first: null, second: null });
      expect(await verdicts(forged, notes)).toMatchObject({ first: firstBad, second: firstBad });
    }
  });

  it('gives away every cut and every older copy down to the size of the checkpoint, and says what it cannot know [D11] [T59]', async () => {
    for (let kept = 0; kept < LENGTH; kept += 1) {
      const cut = log.subarray(0, places[kept]);
      expect(await verdicts(cut)).toEqual({ first: null, second: null, proven: 0 });
      expect(await verifyLog(readExport(piecesOf(cut)))).toMatchObject({ ok: true, tail: 'not provable' });
      const firstBad = kept < 120 ? kept + 1 : null;
      expect(await verdicts(cut, [noteOf(120)])).toMatchObject({ first: firstBad, second: firstBad });
    }
    expect(await verifyLog(readExport(piecesOf(log)), { external: [openCheckpoint(noteOf(120), [signer.publicKey])!] })).toMatchObject({
      proven: 120,
      tail: 'not provable',
    });
    expect(await verifyLog(readExport(piecesOf(log)), { external: [openCheckpoint(noteOf(LENGTH), [signer.publicKey])!] })).toMatchObject({
      tail: 'proven',
    });
  });

  it('gives away a file that was cut in the middle of a line, or has something behind its end', async () => {
    for (const spoilt of [log.subarray(0, -1), log.subarray(0, -100)]) {
      expect(await verdicts(spoilt)).toMatchObject({ first: LENGTH, second: LENGTH });
    }
    for (const more of ['\n', ' \n', '{}\n', 'null\n', '[]\n', 'x']) {
      expect(await verdicts(Buffer.concat([log, Buffer.from(more)]))).toMatchObject({ first: LENGTH + 1, second: LENGTH + 1 });
    }
  });

  it('gives away a line that means the same and is spelled otherwise', async () => {
    const text = log.toString().split('\n')[4] ?? '';
    const spellings = [
      text.replace(',"seq"', ', "seq"'),
      `${text}\r`,
      ` ${text}`,
      text.replace('"seq":5', '"seq":5.0'),
      text.replace('"at":"2', '"at":"\\u0032'),
    ];
    for (const spelling of spellings) {
      const spoilt = Buffer.from(log.toString().split('\n').with(4, spelling).join('\n'));
      expect(await verdicts(spoilt)).toMatchObject({ first: 5, second: 5 });
    }
  });

  const verdicts = (bytes: Buffer, notes: readonly string[] = []) => verdictsOn(bytes, notes, signer.publicKey);
  const noteOf = (size: number) => signCheckpoint(signer, { size, head: entries[size - 1]?.hash ?? GENESIS_HASH });

  async function expectFirstBad(changed: readonly AuditEntry[], firstBad: number): Promise<void> {
    expect(await verdicts(exportOf(changed))).toMatchObject({ first: firstBad, second: firstBad });
  }
});
