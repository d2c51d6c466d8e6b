import { connect } from 'node:net';

/** An answer as it came over the socket. Header names are in lower case; of those that came twice the last counts. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Writes bytes that no HTTP client would, and reads until the gateway closes or `until` is satisfied with what came.
 * Rejects when nothing came.
 */
export function exchange(url: string, bytes: string | Buffer, until: (text: string) => boolean = isComplete): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let text = '';
    const finish = () => {
      socket.destroy();
      if (text === '') reject(new Error('the connection ended without an answer'));
      else resolve(parseAnswer(text));
    };
    socket.on('data', (data) => {
      text += data.toString('utf8');
      if (until(text)) finish();
    });
    socket.on('end', finish);
    socket.on('error', (error) => (text === '' ? reject(error) : finish()));
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer in time')));
  });
}

/** The text of a request with exactly these header lines. */
export function requestText(method: string, path: string, lines: readonly string[], body: string | Buffer = ''): Buffer {
  const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', `Content-Length: ${Buffer.byteLength(body)}`, ...lines, '', ''].join(
    '\r\n',
  );
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]);
}

function isComplete(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, end + 4))?.[1];
  return end >= 0 && length !== undefined && Buffer.byteLength(text.slice(end + 4)) >= Number(length);
}

function parseAnswer(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return { status: Number(statusLine.split(' ')[1]), headers, body: rest.join('\r\n\r\n') };
}
