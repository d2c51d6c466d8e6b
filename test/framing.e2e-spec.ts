import { mkdtempSync, existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ErrorCode, ERRORS, type Problem } from '../src/domain/errors.js';
import { witness } from './kit/commands.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { closeConnections, RawConnection } from './kit/raw-connection.js';
import { requestText } from './kit/raw-http.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-framing-'));
const marks = join(folder, 'marks');
let gateway: TestGateway;
let key: string;

beforeAll(async () => {
  gateway = await startGateway({ commands: { witness: witness(marks) } });
  key = await gateway.key('operator');
});
afterAll(async () => {
  closeConnections();
  await stopGateways();
  rmSync(folder, { recursive: true, force: true });
});

const BODY = JSON.stringify({ command: 'witness' });
const CHUNKED = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;

/** A request that would run the witness, but for what is odd about it. */
interface Odd {
  /** The request line; else that of `/run`. */
  readonly start?: string;
  /** Header lines instead of `Host`. */
  readonly host?: string;
  /** Header lines instead of `Content-Length`. */
  readonly frame?: string;
  /** More header lines. */
  readonly more?: string;
  readonly body?: string;
}

function bytesOf({ start = 'POST /run HTTP/1.1', host = 'Host: localhost', frame, more, body = BODY }: Odd): Buffer {
  const lines = [start, host, frame ?? `Content-Length: ${body.length}`, 'Content-Type: application/json', `X-API-Key: ${key}`, more];
  return Buffer.from(`${lines.filter((line) => line !== undefined && line !== '').join('\r\n')}\r\n\r\n${body}`, 'latin1');
}

interface Exchange {
  readonly answers: readonly { readonly status: number; readonly text: string }[];
  readonly received: string;
}

/** Sends the request and, over the same connection, another that is in order; waits for the gateway to close. */
async function sendAnd(odd: Odd): Promise<Exchange> {
  const connection = await RawConnection.open(gateway.url);
  const innocent = requestText('POST', '/run', ['Content-Type: application/json', `X-API-Key: ${key}`], BODY);
  connection.send(Buffer.concat([bytesOf(odd), innocent]));
  await connection.closed;
  const answers = connection.received.split(/(?=HTTP\/1\.1 \d)/).filter(Boolean);
  return { answers: answers.map((text) => ({ status: Number(text.slice(9, 12)), text })), received: connection.received };
}

const repeat = (count: number, line: (index: number) => string) => Array.from({ length: count }, (_, index) => line(index)).join('\r\n');

const ROWS: readonly (readonly [what: string, code: ErrorCode, odd: Odd])[] = [
  ['a length and chunks', 'malformed_request', { frame: `Content-Length: ${BODY.length}\r\nTransfer-Encoding: chunked` }],
  ['chunks and a length', 'malformed_request', { frame: 'Transfer-Encoding: chunked\r\nContent-Length: 4', body: CHUNKED }],
  ['two lengths', 'malformed_request', { frame: `Content-Length: ${BODY.length}\r\nContent-Length: 3` }],
  ['the same length twice', 'malformed_request', { frame: repeat(2, () => `Content-Length: ${BODY.length}`) }],
  ['a list of lengths', 'malformed_request', { frame: `Content-Length: ${BODY.length}, ${BODY.length}` }],
  ...['-1', '+21', '0x15', '2 1', '21.0', '1e1', '21a', '', '99999999999999999999999'].map(
    (length) => [`the length "${length}"`, 'malformed_request', { frame: `Content-Length: ${length}` }] as const,
  ),
  ...['chunked, identity', 'chunked, chunked', '', '\x0bchunked', 'chunked\0'].map(
    (encoding) =>
      [`the Transfer-Encoding "${encoding}"`, 'malformed_request', { frame: `Transfer-Encoding: ${encoding}`, body: CHUNKED }] as const,
  ),
  ...['xchunked', 'identity', '"chunked"', 'chunked;a=b', 'gzip, chunked', 'xchunked, chunked', ', chunked'].map(
    (encoding) =>
      [`the Transfer-Encoding "${encoding}"`, 'not_implemented', { frame: `Transfer-Encoding: ${encoding}`, body: CHUNKED }] as const,
  ),
  ['two Transfer-Encodings', 'malformed_request', { frame: repeat(2, () => 'Transfer-Encoding: chunked'), body: CHUNKED }],
  ['chunks in HTTP/1.0', 'malformed_request', { start: 'POST /run HTTP/1.0', frame: 'Transfer-Encoding: chunked', body: CHUNKED }],
  ...['-1\r\n', '0x15\r\n', '15 \r\n', '15\n', '15;a\n', 'fffffffffffffffff\r\n', 'zz\r\n', '\r\n'].map(
    (size) =>
      [
        `the chunk size ${JSON.stringify(size)}`,
        'malformed_request',
        { frame: 'Transfer-Encoding: chunked', body: CHUNKED.replace(/^\w+\r\n/, size) },
      ] as const,
  ),
  [
    'chunk extensions without end',
    'payload_too_large',
    { frame: 'Transfer-Encoding: chunked', body: CHUNKED.replace('\r\n', `;${'x'.repeat(20_000)}\r\n`) },
  ],
  ['a bare line feed', 'malformed_request', { more: 'X-A: a\nX-B: b' }],
  ['a bare carriage return', 'malformed_request', { more: 'X-A: a\rX-B: b' }],
  ['a folded line', 'malformed_request', { more: 'X-A: a\r\n b' }],
  ['a folded length', 'malformed_request', { frame: `Content-Length:\r\n ${BODY.length}` }],
  ['a space before the colon', 'malformed_request', { frame: `Content-Length : ${BODY.length}` }],
  ['a tab before the colon', 'malformed_request', { frame: `Content-Length\t: ${BODY.length}` }],
  ['a space before the first header', 'malformed_request', { host: ' Host: localhost' }],
  ['a header without a name', 'malformed_request', { more: ': a' }],
  ['a header without a colon', 'malformed_request', { more: 'X-A' }],
  ['a NUL in a header', 'malformed_request', { more: 'X-A: a\0b' }],
  ['a NUL in a name', 'malformed_request', { more: 'X\0A: a' }],
  ['a NUL in the address', 'malformed_request', { start: 'POST /ru\0n HTTP/1.1' }],
  ['no host', 'malformed_request', { host: '' }],
  ['an empty host', 'malformed_request', { host: 'Host: ' }],
  ['two hosts', 'malformed_request', { host: 'Host: localhost\r\nHost: 127.0.0.1' }],
  ['the same host twice', 'malformed_request', { host: 'Host: localhost\r\nhost: localhost' }],
  ...['a/b', 'a b', 'user@localhost', 'a, b', 'localhost:', 'localhost:x', 'local%68ost', '[::1', '-\x80'].map(
    (host) => [`the host "${host}"`, 'malformed_request', { host: `Host: ${host}` }] as const,
  ),
  ['another host in the address', 'malformed_request', { start: 'POST http://elsewhere/run HTTP/1.1' }],
  ['two keys', 'malformed_request', { more: 'X-API-Key: x' }],
  ['two Authorization headers', 'malformed_request', { more: 'Authorization: Bearer a\r\nAuthorization: Bearer b' }],
  [
    'two Authorization headers where none is needed',
    'malformed_request',
    { start: 'POST /health HTTP/1.1', more: 'Authorization: Bearer a\r\nauthorization: Bearer a' },
  ],
  ['two media types', 'malformed_request', { more: 'Content-Type: text/plain' }],
  ['two origins', 'malformed_request', { more: 'Origin: http://localhost\r\nOrigin: http://localhost' }],
  ['a request line of HTTP/0.9', 'malformed_request', { start: 'GET /health' }],
  ['HTTP/2.0 in plain text', 'malformed_request', { start: 'POST /run HTTP/2.0' }],
  ['a method in lower case', 'malformed_request', { start: 'post /run HTTP/1.1' }],
  ['a tab in the request line', 'malformed_request', { start: 'POST\t/run HTTP/1.1' }],
  ['a tunnel', 'not_implemented', { start: 'CONNECT localhost:22 HTTP/1.1' }],
];

describe('a frame that two readers could read in two ways (H1)', () => {
  it.each(ROWS)('is refused once, and its connection is closed: %s', async (_what, code, odd) => {
    const launches = gateway.launches.length;
    const { answers, received } = await sendAnd(odd);
    expect(answers.map(({ status }) => status)).toEqual([ERRORS[code].status]);
    const problem = JSON.parse(received.slice(received.indexOf('\r\n\r\n'))) as Problem;
    expect(problem.code).toBe(code);
    expect(received.toLowerCase()).toContain('\r\nconnection: close\r\n');
    expect(received.toLowerCase()).toContain('\r\ncontent-type: application/problem+json');
    expect(gateway.launches).toHaveLength(launches);
    expect(existsSync(marks)).toBe(false);
  });

  it('is none of these, and the next request of the connection is answered too', async () => {
    const plain: readonly Odd[] = [
      {},
      { frame: 'Transfer-Encoding: chunked', body: CHUNKED },
      { frame: 'transfer-encoding:\tCHUNKED', body: CHUNKED },
      { frame: 'Transfer-Encoding: chunked', body: CHUNKED.replace('\r\n', ';a=b\r\n') },
      { start: 'POST http://localhost/run HTTP/1.1' },
      ...['localhost:8080', '127.0.0.1', '[::1]:8080', 'LOCALHOST'].map((host) => ({ host: `Host: ${host}` })),
      // Trailers are for nobody: no key, no length, no host comes from there.
      {
        frame: 'Transfer-Encoding: chunked',
        body: CHUNKED.replace(/\r\n$/, 'X-API-Key: x\r\nHost: elsewhere\r\n\r\n'),
      },
    ];
    for (const odd of plain) {
      const connection = await RawConnection.open(gateway.url);
      connection.send(Buffer.concat([bytesOf(odd), requestText('GET', '/livez', [])]));
      expect([odd, await connection.has('"uptime_seconds"')]).toEqual([odd, true]);
      expect(connection.received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
      connection.destroy();
    }
    rmSync(marks);
  });

  it('is left behind unread by a refusal that comes before the body, and is no request of its own', async () => {
    const smuggled = bytesOf({}).toString('latin1');
    const connection = await RawConnection.open(gateway.url);
    connection.send(requestText('POST', '/run', ['Content-Type: application/json', 'X-API-Key: x'], smuggled));
    connection.send(requestText('GET', '/livez', ['Connection: close']));
    await connection.closed;
    expect(connection.received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401', 'HTTP/1.1 200']);
    expect(existsSync(marks)).toBe(false);
  });
});
