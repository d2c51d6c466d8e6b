import type { ExecutionContext } from '../domain/executor.js';
import { randomHex } from '../http/random-pool.js';

/** What a program or a service continues: no two that we start have the same, for it tells their descendants apart (W3C Trace Context, 3.2.2.4). */
export function spanOf({ span, traceparent }: Pick<ExecutionContext, 'span' | 'traceparent'>): string {
  if (span.isRecording && span.traceparent !== undefined) return span.traceparent;
  const [version, trace, , flags] = traceparent.split('-');
  return `${version}-${trace}-${randomHex(8)}-${flags}`;
}
