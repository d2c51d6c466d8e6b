import type { AuditCheckpoint } from './audit-checkpoint.js';
import type { PrincipalId } from './principal.js';

/** What happened, as the audit log names it. */
export const AUDIT_ACTIONS = [
  'run.intent',
  'run.outcome',
  'key.created',
  'key.changed',
  'key.rotated',
  'key.revoked',
  'gateway.started',
  'gateway.stopped',
  'secret.set',
  'secret.deleted',
  'secret.key_rotated',
  'run.refused',
  'approval.granted',
  'approval.denied',
  'approval.refused',
  'freeze.set',
  'freeze.lifted',
  'request.refused',
  'request.answered',
  'config.reloaded',
  'breaker.reset',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** What is to be recorded. `details` is plain JSON data, already free of secrets. */
export interface AuditRecord {
  readonly action: AuditAction;
  readonly principalId: PrincipalId;
  /** Id of the thing acted upon: a run, a key, the name of a secret. */
  readonly subject: string;
  readonly requestId: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** A record in the log: numbered without gaps from 1, chained by hash to the one before. */
export interface AuditEntry extends AuditRecord {
  readonly seq: number;
  readonly at: string;
  /** Hash of the entry before; 64 zeros for the first. */
  readonly previousHash: string;
  /** SHA-256 (hex) over {@link auditBody}. */
  readonly hash: string;
}

export const GENESIS_HASH = '0'.repeat(64);

/**
 * The canonical text of an entry that its hash covers: JSON of everything but the hash itself,
 * object keys sorted by code unit at every depth (RFC 8785 for the data we store: no floats beyond what JSON.stringify gives).
 */
export function auditBody(entry: Omit<AuditEntry, 'hash'>): string {
  return auditBodyWith(canonicalJson(entry.details), entry);
}

/**
 * The same where the details are canonical JSON already. Its keys stand in sorted order. What JSON lets through and a terminal may
 * obey, or an editor take for the end of a line, is escaped: the text is one line, wherever it is shown.
 * @param hashMember the member `"hash":"…",` of a line of the export, which stands among the others by its name
 */
export function auditBodyWith(details: string, entry: Omit<AuditEntry, 'hash' | 'details'>, hashMember = ''): string {
  const { seq, at, action, principalId, subject, requestId, previousHash } = entry;
  const text =
    `{"action":${JSON.stringify(action)},"at":${JSON.stringify(at)},"details":${details},${hashMember}"previousHash":${JSON.stringify(previousHash)},` +
    `"principalId":${JSON.stringify(principalId)},"requestId":${JSON.stringify(requestId)},"seq":${seq},"subject":${JSON.stringify(subject)}}`;
  return CONTROLS.test(text) ? text.replace(EACH_CONTROL, escaped) : text;
}

/** DEL, the C1 controls, and Unicode's own ends of line and paragraph. JSON escapes those below the blank by itself. */
const CONTROLS = /[\u007f-\u009f\u2028\u2029]/;
const EACH_CONTROL = new RegExp(CONTROLS, 'g');

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** JSON with object keys sorted at every depth: equal data, equal text. */
export function canonicalJson(value: unknown): string {
  const ordered = inOrder(value);
  return (ordered === UNORDERABLE ? canonicalText(value) : JSON.stringify(ordered)) ?? 'null';
}

/** Undefined for what JSON has no word for: left out of objects, null in arrays, like JSON.stringify does it. */
function canonicalText(value: unknown): string | undefined {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item) ?? 'null').join(',')}]`;
  const fields: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const text = canonicalText((value as Readonly<Record<string, unknown>>)[key]);
    if (text !== undefined) fields.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${fields.join(',')}}`;
}

/** What no object keeps in the order in which it was put in: keys that are numbers. */
const UNORDERABLE = Symbol('unorderable');

/** A copy with its keys in order: `JSON.stringify` writes it in a third of the time that the text takes when it is put together here. */
function inOrder(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) {
    const items = value.map(inOrder);
    return items.includes(UNORDERABLE) ? UNORDERABLE : items;
  }
  const copy: Record<string, unknown> = {};
  for (const key of sortedKeys(value)) {
    const field = inOrder((value as Readonly<Record<string, unknown>>)[key]);
    if (field === UNORDERABLE || isOdd(key)) return UNORDERABLE;
    copy[key] = field;
  }
  return copy;
}

function isOdd(key: string): boolean {
  const first = key.charCodeAt(0);
  return (first >= 0x30 && first <= 0x39) || key === '__proto__' || key === 'toJSON';
}

/** By code unit. Few keys are put into place one by one, faster than any sorting that is made for many. */
function sortedKeys(value: object): string[] {
  const keys = Object.keys(value);
  if (keys.length > 12) return keys.sort();
  for (let end = 1; end < keys.length; end++) {
    const key = keys[end] ?? '';
    let place = end;
    for (; place > 0 && (keys[place - 1] ?? '') > key; place--) keys[place] = keys[place - 1] ?? '';
    keys[place] = key;
  }
  return keys;
}

/**
 * What a check of the log found. A bad entry is named by the number it should have; `entries` counts the good ones before it.
 * `proven`: entries that a checkpoint from outside of the store vouches for. That those after it are all there cannot be known.
 */
export type AuditVerdict =
  | {
      readonly ok: true;
      readonly entries: number;
      readonly head: string;
      /** Checkpoints that hold, those of the store included. */
      readonly checkpoints: number;
      readonly proven: number;
      readonly tail: 'proven' | 'not provable';
    }
  | { readonly ok: false; readonly entries: number; readonly firstBad: number; readonly reason: string };

/** One page of a listing. `nextCursor` is null on the last page. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** What a listing of the log may be narrowed to. Instants are ISO-8601 UTC with milliseconds. */
export interface AuditFilter {
  readonly action?: AuditAction | undefined;
  readonly principal?: PrincipalId | undefined;
  readonly subject?: string | undefined;
  /** From this instant on. */
  readonly from?: string | undefined;
  /** Before this instant. */
  readonly to?: string | undefined;
}

/** Reading side of the log's storage. */
export abstract class AuditStore {
  /** Newest first. `before`: only entries with a lower number. */
  abstract page(query: AuditFilter & { readonly limit: number; readonly before?: number | undefined }): Promise<Page<AuditEntry>>;
  /** Oldest first, in bounded memory, up to the entry that is the newest when it begins. */
  abstract entries(): AsyncIterable<AuditEntry>;
  abstract find(seq: number): Promise<AuditEntry | undefined>;
  /** By rising size, in bounded memory. */
  abstract checkpoints(): AsyncIterable<AuditCheckpoint>;
  abstract latestCheckpoint(): Promise<AuditCheckpoint | undefined>;
}
