import { fileURLToPath } from 'node:url';
import { getSystemErrorMap } from 'node:util';

/** Stands for a message that may quote anything. The log has it, under the request id. */
const IN_THE_LOG = '(in the log)';

/** What engine, system and store say without quoting anybody. The rest of such a message is cut off. */
const KNOWN_WORDS = [
  /^Cannot (?:read|set) properties of (?:undefined|null)/,
  /is not (?:a function|a constructor|iterable|defined)$/,
  /^(?:Maximum call stack size exceeded|Assignment to constant variable|Converting circular structure to JSON)/,
  /^Invalid (?:array length|string length|time value|URL)/,
  /before initialization$/,
  /^(?:Unexpected end of JSON input|Unexpected token|Reduce of empty array with no initial value)/,
  /^(?:fetch failed|socket hang up|write EPIPE|read ECONNRESET|The operation was aborted)/,
  /^(?:database disk image is malformed|database or disk is full|database is locked|disk I\/O error|file is not a database)/,
  /^(?:attempt to write a readonly database|unable to open database file|no such (?:table|column|index))/,
  /^(?:UNIQUE|NOT NULL|FOREIGN KEY|CHECK) constraint failed/,
];
const SYSTEM_MESSAGE = /^(E[A-Z0-9]+): ([^,]+)/;
const systemMessages = new Map(getSystemErrorMap().values());

/** Of the message of an error what is known to quote nothing: no argument, no path, no piece of a body. */
export function safeMessage(text: string): string {
  const [whole = '', code = '', description] = SYSTEM_MESSAGE.exec(text) ?? [];
  if (description !== undefined && systemMessages.get(code) === description) return whole;
  for (const words of KNOWN_WORDS) {
    const known = words.exec(text)?.[0];
    if (known !== undefined) return known;
  }
  return IN_THE_LOG;
}

/** Names of error classes are code; what else calls itself an error may be called anything. */
export function safeErrorName(name: string): string {
  return /^[A-Z][A-Za-z]{0,40}Error$/.test(name) ? name : 'Error';
}

/** Where the compiled product lies. */
const PRODUCT = fileURLToPath(new URL('../', import.meta.url));
const MODULES = '/node_modules/';

/** A file of the product or of a package without the way to it on this host; undefined for every other file. */
export function safePlace(file: string): string | undefined {
  if (/^node:[a-z_/]{1,80}$/.test(file)) return file;
  const path = file.replace(/^file:\/\//, '');
  const packaged = path.lastIndexOf(MODULES);
  if (packaged >= 0) return plain(`app:///node_modules/${path.slice(packaged + MODULES.length)}`);
  return path.startsWith(PRODUCT) ? plain(`app:///${path.slice(PRODUCT.length)}`) : undefined;
}

function plain(place: string): string | undefined {
  return /^[\w./:@+-]{1,300}$/.test(place) && !place.includes('..') ? place : undefined;
}
