import { createHash } from 'node:crypto';
import type { ParamTypeName } from '../../src/commands/param-types.js';
import { command } from './commands.js';
import type { Declaration } from './gateway.js';

/** What must become of a value: the child sees exactly this as one argument (or as its stdin), or the value is refused. */
export type Expected = { readonly seen: string } | 'refused';

export interface HostileCase {
  readonly type: ParamTypeName;
  readonly value: unknown;
  readonly args: Readonly<Record<string, unknown>>;
  readonly expected: Expected;
}

const SHELL = [
  '; id',
  '$(id)',
  '`id`',
  '| cat /etc/passwd',
  '&& id',
  '|| id &',
  '> /tmp/out',
  '< /etc/passwd',
  '<(id)',
  '(id)',
  '${IFS}id',
  '$HOME',
  "'; id; '",
  '"; id; "',
  '\\',
  '\\"',
  "$'\\n'",
  '*',
  '?[a-z]',
  '~',
  '~root',
  '{a,b}',
  '!!',
  '#',
  '%s%s%n',
  '%00',
  '\\0\\x41\\n',
];
const OPTIONS = [
  '-',
  '--',
  '-rf',
  '--help',
  '--upload-pack=id',
  '-oProxyCommand=id',
  '--checkpoint-action=exec=id',
  '−1',
  '+x',
  '@file',
  '=',
  '/',
];
const PLACES = [
  '.',
  '..',
  '../../etc/passwd',
  '....//',
  '/etc/passwd',
  '%2e%2e%2f',
  'file:///etc/passwd',
  'ext::sh -c id',
  '/proc/self/environ',
  '\\\\host\\share',
  'http://169.254.169.254/',
];
const UNICODE = ['ｉｄ', 'a\u202eb', '\u200b', '\ufeff', 'e\u0301', '👩‍👩‍👧', 'İ', '\u212a', '\u2028', '\uffff', '𝕊', '٣', 'ﬁ'];
const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'null',
  'undefined',
  'NaN',
  'true',
  'PATH=/tmp',
  'LD_PRELOAD',
  '[object Object]',
];
const CONTROL = ['\0', 'a\0b', '\n', 'a\nb', 'a\r\nb', '\u001b[31m', '\u0007', '\u007f', '\u009b31m', '\u0085', 'a\tb'];
const BROKEN = ['\ud800', 'a\udfffb', '\udc00\ud800'];
const NAUGHTY = [
  '',
  '   ',
  ' x ',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '{{7*7}}',
  '${7*7}',
  '{value}',
  '\\{value\\}',
  '«secret»',
  '0x1F',
  '1e309',
  '08',
  '-0',
  'Infinity',
  '{"a":1}',
  '[1]',
  '1.2.3.4',
  '30s',
];
const HUGE = ['A'.repeat(1_024), 'A'.repeat(1_025), 'é'.repeat(600), 'A'.repeat(70_000), 'A'.repeat(200_000)];

export const HOSTILE_TEXTS = [...SHELL, ...OPTIONS, ...PLACES, ...UNICODE, ...NAMES, ...CONTROL, ...BROKEN, ...NAUGHTY, ...HUGE];

/** Values of other types than the one declared, and numbers that are hard to write down. */
const OTHERS: readonly unknown[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  1.5,
  1e21,
  2 ** 53,
  -(2 ** 53),
  1e308,
  5e-324,
  [],
  ['x'],
  [[]],
  {},
  { a: 1 },
  { toString: 'x', length: 3 },
  nested(20),
  nested(32),
  nested(33),
];

/** Values that are as declared, so that a gateway which refuses everything does not pass. */
const GOOD: Readonly<Partial<Record<ParamTypeName, readonly unknown[]>>> = {
  enum: ['one', 'two'],
  path: ['./plain', 'folder/../plain', 'with space; id'],
  folder: ['here', 'inner'],
  url: ['https://example.com', 'https://EXAMPLE.com/$(id)?a=b&c#d'],
  hostname: ['Example.COM', 'a.b-c.d'],
  duration: ['90s', '2min', '1.5s'],
};

function nested(depth: number): unknown {
  return depth === 1 ? [] : [nested(depth - 1)];
}

/** What each type takes, written down a second time and differently. `folder` is where the path param may go. */
const RULES: Readonly<Record<ParamTypeName, (value: unknown, folder: string) => Expected>> = {
  string: (value) => (isLine(value) && value.length <= 1_024 ? seen(value) : 'refused'),
  integer: (value) => (Number.isSafeInteger(value) && (value as number) >= 0 ? seen(String(value)) : 'refused'),
  number: (value) => (typeof value === 'number' && value >= 0 ? seen(String(value)) : 'refused'),
  boolean: (value) => (value === true || value === false ? seen(String(value)) : 'refused'),
  enum: (value) => (value === 'one' || value === 'two' ? seen(value) : 'refused'),
  path: (value, folder) => {
    if (value === '.') return seen(folder);
    const name = typeof value === 'string' ? /^(?:\.\/|folder\/\.\.\/)?(plain|with space; id)$/.exec(value)?.[1] : undefined;
    return name === undefined ? 'refused' : seen(`${folder}/${name}`);
  },
  folder: (value, folder) => (value === 'here' ? seen(folder) : value === 'inner' ? seen(`${folder}/folder`) : 'refused'),
  url: (value) => (typeof value === 'string' && /^https:\/\/example\.com(\/|$)/i.test(value) ? seen(new URL(value).href) : 'refused'),
  hostname: (value) => {
    const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
    return typeof value === 'string' && value.length <= 253 && value.split('.').every((part) => label.test(part))
      ? seen(value.toLowerCase())
      : 'refused';
  },
  duration: (value) => {
    const [, count, unit] = (typeof value === 'string' && /^([\d.]+)(s|min)$/.exec(value)) || [];
    return count === undefined ? 'refused' : seen(String(Number(count) * (unit === 's' ? 1 : 60)));
  },
  json: (value) => {
    const text = JSON.stringify(value);
    return text.length <= 65_536 && !text.startsWith('-') && depthOf(value) <= 32 ? seen(text) : 'refused';
  },
  text: (value) => (isText(value) && value.length <= 65_536 ? seen(value) : 'refused'),
  secret: (value) => (isText(value) && value !== '' && value.length <= 8_192 && value !== '«secret»' ? seen('the same') : 'refused'),
};

/** What a string becomes where no program could take it for an option: a leading dash means nothing there. */
export function expectedAsData(value: unknown): Expected {
  const isDashed = typeof value === 'string' && value.startsWith('-');
  return isDashed && isLine(`x${value}`) && value.length <= 1_024 ? seen(value) : RULES.string(value, '');
}

function seen(text: string): Expected {
  return { seen: text };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
}

function isLine(value: unknown): value is string {
  return isText(value) && !value.startsWith('-') && [...value].every((character) => character === '\t' || !/\p{Cc}/u.test(character));
}

function depthOf(value: unknown): number {
  return typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
}

/** One command for each type of param. What it prints, followed by a NUL, is what it was given. */
export function hostileCommands(folder: string): Readonly<Record<string, Declaration>> {
  const shown = (param: object) => command({ exec: ['printf', String.raw`%s\0`, '{value}'], params: { value: param } });
  const digest = { type: 'string', pattern: '[0-9a-f]{64}' };
  const compare = '[ "$(sha256sum | cut -c 1-64)" = "$1" ] && printf "the same\\0" || printf "another\\0"';
  const params: Readonly<Record<ParamTypeName, Declaration>> = {
    string: shown({ type: 'string' }),
    integer: shown({ type: 'integer' }),
    number: shown({ type: 'number' }),
    boolean: shown({ type: 'boolean' }),
    enum: shown({ type: 'enum', values: ['one', 'two'] }),
    path: shown({ type: 'path', root: folder, mustExist: true }),
    folder: shown({ type: 'folder', folders: { here: folder, inner: `${folder}/folder` } }),
    url: shown({ type: 'url', hosts: ['example.com'] }),
    hostname: shown({ type: 'hostname' }),
    duration: shown({ type: 'duration' }),
    json: shown({ type: 'json' }),
    text: command({
      script: { interpreter: 'sh', text: String.raw`cat; printf '\0'` },
      stdin: '{value}',
      params: { value: { type: 'text' } },
    }),
    secret: command({
      script: { interpreter: 'sh', text: compare, args: ['{digest}'] },
      stdin: '{value}',
      params: { value: { type: 'secret' }, digest },
    }),
  };
  return Object.fromEntries(Object.entries(params).map(([type, declaration]) => [`take.${type}`, declaration]));
}

/** The types that take nearly every text; a part of the corpus is enough where each text costs a process. */
const THIRD: ReadonlySet<ParamTypeName> = new Set(['json', 'text', 'secret']);

/** Every hostile value for the param of one type, with what must become of it. */
export function hostileCases(type: ParamTypeName, folder: string): readonly HostileCase[] {
  const texts = THIRD.has(type)
    ? HOSTILE_TEXTS.filter((_text, index) => index % 3 === 0 || index > HOSTILE_TEXTS.length - 5)
    : HOSTILE_TEXTS;
  return [...texts, ...OTHERS, ...(GOOD[type] ?? [])].map((value) => ({
    type,
    value,
    args: argsOf(type, value),
    expected: RULES[type](value, folder),
  }));
}

function argsOf(type: ParamTypeName, value: unknown): Readonly<Record<string, unknown>> {
  if (type !== 'secret') return { value };
  return {
    value,
    digest: createHash('sha256')
      .update(typeof value === 'string' ? value : '')
      .digest('hex'),
  };
}

/** Requests that are wrong as a whole, whatever command they name. */
export const HOSTILE_REQUESTS: readonly unknown[] = [
  ...[
    '__proto__',
    'constructor',
    'toString',
    '../take.string',
    'take.string ',
    'TAKE.STRING',
    'take.string\0',
    'take',
    '..',
    '.',
    'x'.repeat(64),
  ].map((name) => ({ command: name, args: {} })),
  ...['', 'x'.repeat(65)].map((name) => ({ command: name })),
  ...['nothing like this', '; id', '$(id)', '{value}', '\0', 'x'.repeat(1_000), 'x'.repeat(1_001), ''].map((text) => ({ text })),
  { command: 'take.string' },
  { command: 'take.string', args: { valeu: 'x' } },
  { command: 'take.string', args: { value: 'x', toString: 1, constructor: 2 } },
  { command: 'take.secret', args: { value: 'swordfish' } },
];
