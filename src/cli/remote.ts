import { remoteKey } from '../config/settings.js';
import type { Problem } from '../domain/errors.js';
import { CliFailure, describeProblem } from './cli-failure.js';

/** A problem that the server answered; carried out of {@link callServer} so that commands may print it their way. */
export class RemoteProblem extends CliFailure {
  constructor(readonly problem: Problem) {
    super(describeProblem(problem), 2);
  }
}

export interface ServerCall {
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * One call to a running gateway, with the key from SALLYPORT_KEY.
 * @throws RemoteProblem what the server refused; CliFailure when it cannot be reached
 */
export async function callServer<T>(url: string, path: string, init: ServerCall = {}): Promise<T> {
  const response = await askServer(url, path, init);
  if (response.status === 204) return undefined as T;
  const body: unknown = await response.json().catch(() => {
    throw new CliFailure(`The server at ${url} answered ${response.status} without JSON: is it a Sallyport?`);
  });
  if (!response.ok) throw new RemoteProblem(body as Problem);
  return body as T;
}

/** The same for what is too long to be held: its bytes as they come. */
export async function streamFromServer(url: string, path: string): Promise<AsyncIterable<Uint8Array>> {
  const response = await askServer(url, path, {});
  if (!response.ok) throw new RemoteProblem((await response.json()) as Problem);
  if (!response.body) throw new CliFailure(`The server at ${url} answered nothing.`);
  return response.body;
}

/** The answer as it comes, refusals too. @throws CliFailure when there is none */
export async function askServer(url: string, path: string, init: ServerCall): Promise<Response> {
  const key = remoteKey();
  if (!key) throw new CliFailure('SALLYPORT_KEY is not set: it holds the key for the server at --url.', 2);
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new CliFailure('--url expects the address of a server, such as http://127.0.0.1:8080.', 2);
  return request(new URL(path, url), key, init);
}

async function request(url: URL, key: string, { method = 'GET', body, headers: more }: ServerCall): Promise<Response> {
  const headers = { ...more, 'x-api-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  try {
    return await fetch(url, { method, headers, redirect: 'error', ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch (error) {
    throw new CliFailure(
      `The server at ${url.origin} cannot be reached: ${error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : 'unknown reason'}.`,
    );
  }
}
