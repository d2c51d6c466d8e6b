import { HOSTILE_TEXTS } from './hostile-corpus.js';
import { exchange, requestText } from './raw-http.js';

/** What must not stand raw in a log: controls but the line feed, separators of lines, marks that turn the direction of writing. */
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const FORGED = '{"level":"fatal","message":"forged"}';
const METHODS = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD', 'PURGE', 'M-SEARCH', 'BREW'];
const PATHS = ['/health', '/run', '/runs/', '/commands/', '/', '/*', '/auth/keys/', '/nope/', '/docs/', '/metrics?x='];
const HEADERS = ['User-Agent', 'X-Request-Id', 'traceparent', 'X-Forwarded-For', 'X-API-Key', 'Authorization', 'Referer', 'Host'];
/** More than a line of the log holds, less than a header may. */
const LONGEST = 4_000;

/** Texts of the corpus, bytes of every kind, and texts that would forge a line. */
const TEXTS = [
  ...HOSTILE_TEXTS.map((text) => text.slice(0, LONGEST)),
  ...Array.from({ length: 256 }, (_, code) => `a${String.fromCharCode(code)}b`),
  FORGED,
  `"}\t${FORGED}`,
  `\x9b31m\x85${FORGED}`,
  `\u2028${FORGED}\u2029`,
  `x\\"}\\n${FORGED}`,
];

/** Sends hostile requests, a few at once; answered or cut off. @returns how many were answered */
export async function sendHostileRequests(url: string, count: number, key: string): Promise<number> {
  let answered = 0;
  let sent = 0;
  const send = async () => {
    while (sent < count) {
      const bytes = hostileRequest((sent += 1), key);
      const answer = await exchange(url, bytes, (text) => text.includes('\r\n\r\n')).catch(() => undefined); // Some it must not answer.
      if (answer) answered += 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, send));
  return answered;
}

/** The same for the same number; neighbours differ in everything. */
function hostileRequest(number: number, key: string): Buffer {
  const text = pick(TEXTS, number);
  const raw = Buffer.from(pick(TEXTS, number * 7)).toString('latin1');
  const method = pick(METHODS, number);
  const path = pick(PATHS, number * 3) + (number % 2 === 0 ? encodeURIComponent(text.toWellFormed()) : raw);
  const lines = [
    `${pick(HEADERS, number * 5)}: ${Buffer.from(text).toString('latin1')}`,
    ...(number % 3 === 0 ? [`X-API-Key: ${key}`] : []),
    ...(number % 4 === 0 ? [`X-Forwarded-For: ${raw}`] : [`User-Agent: ${raw}`]),
  ];
  return requestText(method, path, lines, number % 5 === 0 ? raw : '');
}

function pick<T>(list: readonly T[], number: number): T {
  return list[(number * 2_654_435_761) % list.length]!;
}

/** Lines of a log; throws at the first that is no JSON object of ours, or holds what a terminal would obey. */
export function parseLog(text: string): Record<string, unknown>[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error(`the log ends within a line: ${JSON.stringify(text.slice(-200))}`);
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => {
    if (OBEYED.test(line)) throw new Error(`a terminal would obey: ${JSON.stringify(line)}`);
    const entry = JSON.parse(line) as Record<string, unknown>;
    if (!/^(?:trace|debug|info|warn|error)$/.test(String(entry['level']))) throw new Error(`no line of ours: ${line}`);
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(entry['time']))) throw new Error(`no time: ${line}`);
    return entry;
  });
}
