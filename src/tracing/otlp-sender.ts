import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { VERSION } from '../config/version.js';

/** How a collector takes traces. */
export interface Collector {
  /** Where batches are posted to. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string;
}

export type Posted =
  | { readonly kind: 'answered'; readonly status: number; readonly body: Buffer; readonly retryAfterMs: number | undefined }
  | { readonly kind: 'failed'; readonly reason: string };

const TIMEOUT_MS = 10_000;
const LARGEST_ANSWER = 64 * 1024;
const CONNECTIONS = 3;

/** Posts to one address over connections that stay. Follows no redirect. */
export class OtlpSender {
  private readonly url: URL;
  private readonly agent: HttpAgent;
  private readonly request: typeof httpRequest;

  constructor(private readonly collector: Collector) {
    this.url = new URL(collector.url);
    const isSecure = this.url.protocol === 'https:';
    this.request = isSecure ? httpsRequest : httpRequest;
    this.agent = new (isSecure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: CONNECTIONS });
  }

  /** Never rejects. `reason` names no address and no header. */
  post(body: Uint8Array, signal: AbortSignal): Promise<Posted> {
    return new Promise((resolve) => {
      const fail = (error: NodeJS.ErrnoException) => resolve({ kind: 'failed', reason: error.code ?? error.name });
      const request = this.request(this.url, { method: 'POST', agent: this.agent, headers: this.headersFor(body), signal }, (answer) => {
        readAnswer(answer).then(resolve, fail);
      });
      request.setTimeout(TIMEOUT_MS, () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
      request.on('error', fail);
      request.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }

  private headersFor(body: Uint8Array): Record<string, string | number> {
    const { headers, contentType } = this.collector;
    return { ...headers, 'content-type': contentType, 'content-length': body.length, 'user-agent': `sallyport/${VERSION}` };
  }
}

async function readAnswer(answer: IncomingMessage): Promise<Posted> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > LARGEST_ANSWER) return { kind: 'failed', reason: 'an answer that is too long' };
    pieces.push(piece);
  }
  const after = answer.headers['retry-after'];
  const retryAfterMs = after !== undefined && /^\d{1,4}$/.test(after) ? Number(after) * 1_000 : undefined;
  return { kind: 'answered', status: answer.statusCode ?? 0, body: Buffer.concat(pieces), retryAfterMs };
}
