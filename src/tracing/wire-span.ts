import type { SpanAttributes } from '../domain/tracing.js';
import type { RecordedSpan } from './spans.js';

/** A span whose texts may leave. */
export interface WireSpan {
  readonly span: RecordedSpan;
  readonly name: string;
  readonly attributes: SpanAttributes;
}

/** Whether to remember its values is of no use: ids come once, but for those of keys. */
export function isAlwaysNew(attribute: string): boolean {
  return attribute.endsWith('.id') && attribute !== 'sallyport.key.id';
}

/** Numbers of OTLP. */
export const SPAN_KINDS = { internal: 1, server: 2, client: 3 } as const;
export const STATUS_UNSET = 0;
export const STATUS_ERROR = 2;
const SAMPLED = 0x1;
const KNOWS_REMOTE = 0x100;
const IS_REMOTE = 0x200;

export function flagsOf({ parent }: RecordedSpan): number {
  return SAMPLED | KNOWS_REMOTE | (parent?.isRemote ? IS_REMOTE : 0);
}

export interface Instant {
  /** Since 1970. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** @param monotonicMs when it was, as the span's trace counts */
export function instantOf({ trace }: RecordedSpan, monotonicMs: number): Instant {
  const milliseconds = monotonicMs + trace.offsetMs;
  const seconds = Math.trunc(milliseconds / 1_000);
  return { seconds, nanoseconds: Math.round((milliseconds - seconds * 1_000) * 1e6) };
}
