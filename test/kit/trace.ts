import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';

/** A call that reached the disk, the network or another program, in the order in which they happened. Paths are absolute. */
export type TraceEvent =
  | { readonly kind: 'created'; readonly path: string }
  /** `offset` is NaN for the end of the file. */
  | { readonly kind: 'written'; readonly path: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncated'; readonly path: string; readonly size: number }
  | { readonly kind: 'synced'; readonly path: string }
  | { readonly kind: 'unlinked'; readonly path: string }
  | { readonly kind: 'renamed'; readonly path: string; readonly to: string }
  | { readonly kind: 'linked'; readonly path: string; readonly to: string }
  /** The first bytes of something sent over a socket. */
  | { readonly kind: 'sent'; readonly bytes: Buffer }
  | { readonly kind: 'executed'; readonly argv: readonly string[] };

/** What has to be traced for {@link readTrace}. Calls of the last line are not understood: seeing one about the folder is an error. */
export const TRACED_CALLS = [
  'openat,mkdir,mkdirat,pwrite64,write,writev,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2,link,linkat,execve',
  'pwritev,pwritev2,fallocate,truncate,sendfile,copy_file_range,sync_file_range',
].join(',');

interface Call {
  readonly name: string;
  /** Argument texts: a descriptor as `30</path>`, a string with its quotes. */
  readonly args: readonly string[];
  readonly result: string;
}

/** Reads what {@link tracing} wrote; keeps what is about this folder and below it, what is sent over sockets, and programs. */
export async function readTrace(file: string, folder: string): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  const begun = new Map<string, string>();
  const positions = new Map<string, number>();
  for await (const line of createInterface({ input: createReadStream(file, 'latin1'), crlfDelay: Infinity })) {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/s.exec(line) ?? [];
    const unfinished = text.endsWith(' <unfinished ...>');
    // What is sent is on its way when the call begins; what is written or synced has been when it returns.
    if (unfinished) begun.set(thread, text.slice(0, -' <unfinished ...>'.length));
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text);
    const whole = resumed ? (begun.get(thread) ?? '') + resumed[1] : text;
    const sends = isSend(whole);
    if (sends ? !resumed : !unfinished) events.push(...eventsOf(parseCall(whole), folder, positions));
  }
  return events;
}

function isSend(text: string): boolean {
  return /^(write|writev)\(\d+<socket:/.test(text) || text.startsWith('execve(');
}

/** Undefined for lines that are no calls, and for calls that failed. */
function parseCall(text: string): Call | undefined {
  const name = /^(\w+)\(/.exec(text)?.[1];
  if (name === undefined) return undefined;
  const args: string[] = [];
  let place = name.length + 1;
  let start = place;
  let depth = 0;
  for (; place < text.length; place += 1) {
    const character = text[place];
    if (character === '"') place = endOfString(text, place);
    else if (character === '[' || character === '{' || character === '<') depth += 1;
    else if (character === ']' || character === '}' || character === '>') depth -= 1;
    else if (depth === 0 && (character === ',' || character === ')')) {
      args.push(text.slice(start, place).trim());
      start = place + 1;
      if (character === ')') break;
    }
  }
  if (place >= text.length) args.push(text.slice(start).trim());
  const result = text.slice(place + 1).replace(/^\s*=\s*/, '');
  return result.startsWith('-1') ? undefined : { name, args, result };
}

/** Place of the quote that ends the string which begins at `place`. */
function endOfString(text: string, place: number): number {
  for (let next = place + 1; next < text.length; next += 1) {
    if (text[next] === '\\') next += 1;
    else if (text[next] === '"') return next;
  }
  return text.length;
}

type Translate = (args: readonly string[], call: Call, positions: Map<string, number>) => readonly TraceEvent[];

const written: Translate = ([target = '', data = '', , offset = '0']) => [
  { kind: 'written', path: pathOf(target), offset: Number(offset), bytes: bytesOf(data) },
];
const synced: Translate = ([target = '']) => [{ kind: 'synced', path: pathOf(target) }];
const made: Translate = ([path = '']) => [{ kind: 'created', path: textOf(path) }];
const opened: Translate = ([folder = '', path = '', flags = ''], { result }, positions) => {
  const full = resolve(pathOf(folder), textOf(path));
  positions.set(`${descriptorOf(result)} ${full}`, flags.includes('O_APPEND') ? NaN : 0);
  if (!flags.includes('O_CREAT')) return [];
  return [{ kind: 'created', path: full }, ...(flags.includes('O_TRUNC') ? [{ kind: 'truncated', path: full, size: 0 } as const] : [])];
};
/** A plain write follows the one before; an append goes to the end (`NaN`). */
const appended: Translate = ([target = '', data = ''], _call, positions) => {
  const bytes = bytesOf(data);
  if (target.includes('<socket:')) return [{ kind: 'sent', bytes }];
  const path = pathOf(target);
  const file = `${descriptorOf(target)} ${path}`;
  const offset = positions.get(file) ?? NaN;
  positions.set(file, offset + bytes.length);
  return [{ kind: 'written', path, offset, bytes }];
};

const TRANSLATIONS: Readonly<Record<string, Translate>> = {
  openat: opened,
  mkdir: made,
  mkdirat: ([folder = '', path = '']) => [{ kind: 'created', path: resolve(pathOf(folder), textOf(path)) }],
  pwrite64: written,
  write: appended,
  writev: ([target = '', vector = '']) =>
    target.includes('<socket:') ? [{ kind: 'sent', bytes: Buffer.concat(stringsOf(vector)) }] : [unknown('writev', pathOf(target))],
  ftruncate: ([target = '', size = '0']) => [{ kind: 'truncated', path: pathOf(target), size: Number(size) }],
  fsync: synced,
  fdatasync: synced,
  unlink: ([path = '']) => [{ kind: 'unlinked', path: textOf(path) }],
  unlinkat: ([folder = '', path = '']) => [{ kind: 'unlinked', path: resolve(pathOf(folder), textOf(path)) }],
  rename: ([path = '', to = '']) => [{ kind: 'renamed', path: textOf(path), to: textOf(to) }],
  renameat: ([from = '', path = '', there = '', to = '']) => [moved('renamed', from, path, there, to)],
  renameat2: ([from = '', path = '', there = '', to = '']) => [moved('renamed', from, path, there, to)],
  link: ([path = '', to = '']) => [{ kind: 'linked', path: textOf(path), to: textOf(to) }],
  linkat: ([from = '', path = '', there = '', to = '']) => [moved('linked', from, path, there, to)],
  execve: ([, argv = '']) => [{ kind: 'executed', argv: stringsOf(argv).map(String) }],
};

function eventsOf(call: Call | undefined, folder: string, positions: Map<string, number>): readonly TraceEvent[] {
  if (!call) return [];
  const translate = TRANSLATIONS[call.name];
  if (!translate) return call.args.some((arg) => pathOf(arg).startsWith(folder)) ? [unknown(call.name, folder)] : [];
  return translate(call.args, call, positions).filter((event) => !('path' in event) || `${event.path}/`.startsWith(`${folder}/`));
}

function unknown(call: string, path: string): never {
  throw new Error(`the replay does not know ${call} on ${path}`);
}

function moved(kind: 'renamed' | 'linked', ...[from, path, there, to]: [string, string, string, string]): TraceEvent {
  return { kind, path: resolve(pathOf(from), textOf(path)), to: resolve(pathOf(there), textOf(to)) };
}

/** `30</path>` → `/path`; a file that has no name any more keeps the one it had. */
function pathOf(descriptor: string): string {
  return (/^\w+<(.*)>$/s.exec(descriptor)?.[1] ?? '').replace(/ \(deleted\)$/, '').replace(/>\(deleted\)$/, '');
}

function descriptorOf(text: string): string {
  return /^\d+/.exec(text)?.[0] ?? '';
}

function textOf(quoted: string): string {
  return bytesOf(quoted).toString();
}

/** Every string in an array or a vector. */
function stringsOf(text: string): Buffer[] {
  const strings: Buffer[] = [];
  for (let place = 0; place < text.length; place += 1) {
    if (text[place] !== '"') continue;
    const end = endOfString(text, place);
    strings.push(bytesOf(text.slice(place, end + 1)));
    place = end;
  }
  return strings;
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12, '\\': 92, '"': 34 };

/** The bytes of a string as strace quotes it: as in C, with octal escapes of one to three digits. */
function bytesOf(quoted: string): Buffer {
  const bytes = Buffer.alloc(quoted.length);
  let length = 0;
  for (let place = 1; place < quoted.length - 1; place += 1) {
    if (quoted[place] !== '\\') {
      bytes[length++] = quoted.charCodeAt(place);
      continue;
    }
    let digit = digitAt(quoted, ++place);
    if (digit < 0) {
      bytes[length++] = ESCAPES[quoted[place] ?? ''] ?? unknown(`the escape \\${quoted[place]}`, 'a string');
      continue;
    }
    let byte = 0;
    for (let digits = 0; digits < 3 && digit >= 0; digits += 1, digit = digitAt(quoted, ++place)) byte = byte * 8 + digit;
    bytes[length++] = byte;
    place -= 1;
  }
  return bytes.subarray(0, length);
}

/** The octal digit there, or a negative number. */
function digitAt(text: string, place: number): number {
  const digit = text.charCodeAt(place) - 48;
  return digit >= 0 && digit <= 7 ? digit : -1;
}
