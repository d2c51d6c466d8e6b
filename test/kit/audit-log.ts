import { auditLine, readExport } from '../../src/audit/audit-export.js';
import { auditHash, verifyLog } from '../../src/audit/audit-verifier.js';
import { openCheckpoint } from '../../src/audit/checkpoint-text.js';
import type { NoteKey } from '../../src/audit/signed-note.js';
import { GENESIS_HASH, type AuditEntry } from '../../src/domain/audit.js';
import { secondVerdict } from './second-audit-verifier.js';

const LINE_FEED = 0x0a;

/** An entry that is in no chain yet; some hold what is hard to spell. */
export function sampleEntry(seq: number): AuditEntry {
  return {
    seq,
    at: new Date(Date.UTC(2026, 0, 1, 0, 0, seq)).toISOString(),
    action: seq % 2 === 1 ? 'run.intent' : 'run.outcome',
    principalId: 'abcdefghijkl',
    subject: `run_${seq}`,
    requestId: `req-${seq}`,
    details:
      seq % 7 === 0
        ? { 'ключ\u2028': 'é\r\n\u001b[2K\u009b\u007f', 10: [1.5, -0, 1e21, null, { b: true, a: '😀' }] }
        : { command: 'git.log', count: seq },
    previousHash: GENESIS_HASH,
    hash: '',
  };
}

/** The same entries with their numbers, and hashes that fit. */
export function chain(entries: readonly AuditEntry[]): AuditEntry[] {
  let previousHash = GENESIS_HASH;
  return entries.map((entry, index) => {
    const linked = { ...entry, seq: index + 1, previousHash };
    previousHash = auditHash(linked);
    return { ...linked, hash: previousHash };
  });
}

export function exportOf(entries: readonly AuditEntry[]): Buffer {
  return Buffer.from(entries.map((entry) => `${auditLine(entry)}\n`).join(''));
}

/** In chunks that end anywhere. */
export async function* piecesOf(bytes: Buffer, length = 10_007): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += length) yield bytes.subarray(start, start + length);
}

/** The first bad entry as both verifiers name it, and how much they hold for proven. */
export async function verdictsOn(log: Buffer, notes: readonly string[], key: NoteKey) {
  const external = notes.map((note) => openCheckpoint(note, [key])).filter((checkpoint) => checkpoint !== undefined);
  const verdict = await verifyLog(readExport(piecesOf(log)), { external });
  const second = await secondVerdict(log, notes, [key.text]);
  return { first: verdict.ok ? null : verdict.firstBad, second: second.firstBad, proven: verdict.ok ? verdict.proven : second.proven };
}

/** Flips a bit of each byte of these lines in turn; `missed`: the places where a verifier did not name that very line. */
export async function flipAll(log: Buffer, isChosen: (line: number) => boolean) {
  const copy = Buffer.from(log);
  const missed: { place: number; line: number; found: (number | null)[] }[] = [];
  let [line, flipped] = [1, 0];
  for (const [place, byte] of log.entries()) {
    if (isChosen(line)) {
      copy[place] = byte ^ (1 << (place % 8));
      const verdict = await verifyLog(readExport(piecesOf(copy)));
      const found = [verdict.ok ? null : verdict.firstBad, (await secondVerdict(copy)).firstBad];
      if (found.some((bad) => bad !== line)) missed.push({ place, line, found });
      copy[place] = byte;
      flipped += 1;
    }
    if (byte === LINE_FEED) line += 1;
  }
  return { flipped, missed };
}
