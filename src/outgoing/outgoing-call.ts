/** Times in milliseconds, 0 for none. */
export interface CallLimits {
  /** Look-up, connection and TLS together. */
  readonly connectMs: number;
  /** From the request to the head of the answer. */
  readonly headersMs: number;
  /** Between two pieces of the body. */
  readonly idleMs: number;
  /** From the call to the end of the body, redirects included. */
  readonly totalMs: number;
  /** Bytes of the body, unpacked. */
  readonly responseBytes: number;
  /** Redirects that are followed. With 0 the answer that redirects is the answer. */
  readonly redirects: number;
}

export interface OutgoingCall {
  readonly method: string;
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly signal?: AbortSignal;
}

export interface OutgoingAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Unpacked, piece by piece as it comes; can be read once. Throws a `CallFailure`; with `too_large` after as much as is allowed. */
  readonly body: AsyncIterable<Buffer>;
  /** Ends the connection. Whoever does not read the body to its end, or leave its loop, calls this. */
  discard(): Promise<void>;
}
