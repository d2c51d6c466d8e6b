import { auditBodyWith, canonicalJson, type AuditEntry } from '../domain/audit.js';
import type { Unreadable } from './audit-verifier.js';

export const EXPORT_FORMATS = ['ndjson', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Text handed on at a time. */
const PIECE_CHARACTERS = 64 * 1024;
/** A line that is longer was not written by us: the largest request is far smaller. */
const LONGEST_LINE = 16 * 1024 ** 2;
const LINE_FEED = 0x0a;

/** The whole log in pieces of text, made as fast as they are taken. */
export async function* exported(entries: AsyncIterable<AuditEntry>, format: ExportFormat): AsyncGenerator<string, void, undefined> {
  let piece = format === 'csv' ? CSV_HEAD : '';
  for await (const entry of entries) {
    piece += format === 'csv' ? csvLine(entry) : `${auditLine(entry)}\n`;
    if (piece.length < PIECE_CHARACTERS) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** An entry as a line of the ndjson export: its canonical text with the hash among the other members. */
export function auditLine(entry: AuditEntry): string {
  return auditBodyWith(canonicalJson(entry.details), entry, `"hash":${JSON.stringify(entry.hash)},`);
}

/** Reads an ndjson export in bounded memory. A line that we would have written otherwise, by so much as a blank, is told as such. */
export async function* readExport(bytes: AsyncIterable<Buffer>): AsyncGenerator<AuditEntry | Unreadable, void, undefined> {
  let rest: Buffer[] = [];
  let held = 0;
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      yield readLine(Buffer.concat([...rest, chunk.subarray(start, end)]));
      [rest, held, start] = [[], 0, end + 1];
    }
    if (start === chunk.length) continue;
    rest.push(chunk.subarray(start));
    held += chunk.length - start;
    if (held > LONGEST_LINE) return yield { unreadable: 'The line is longer than any entry.' };
  }
  if (held > 0) yield { unreadable: 'The line does not end: the export was cut.' };
}

function readLine(bytes: Buffer): AuditEntry | Unreadable {
  try {
    const entry = JSON.parse(bytes.toString('utf8')) as AuditEntry | null;
    // Bytes that are no UTF-8 come back as others.
    if (entry !== null && Buffer.from(auditLine(entry)).equals(bytes)) return entry;
  } catch {
    // No JSON, or no object: told below.
  }
  return { unreadable: 'The line is not an entry as it is exported.' };
}

const CSV_COLUMNS = ['seq', 'at', 'action', 'principalId', 'subject', 'requestId', 'details', 'previousHash', 'hash'] as const;
const CSV_HEAD = `${CSV_COLUMNS.join(',')}\r\n`;

function csvLine(entry: AuditEntry): string {
  const cells = { ...entry, details: canonicalJson(entry.details) };
  return `${CSV_COLUMNS.map((column) => csvCell(String(cells[column]))).join(',')}\r\n`;
}

/** RFC 4180, on one line. For eyes and spreadsheets: what a spreadsheet would take for a formula gets an apostrophe before it. */
function csvCell(text: string): string {
  const plain = text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const harmless = /^[=+\-@]/.test(plain) ? `'${plain}` : plain;
  return /[",]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
