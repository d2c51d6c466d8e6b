import { z } from 'zod';
import { FAILURES } from '../domain/error-tracker.js';
import type { AllowedWords } from './allowed-words.js';
import { safeErrorName, safeMessage, safePlace } from './safe-text.js';

const MOST_ITEMS = 50;

/** What does not fit is left out; the rest goes. */
const part = <Schema extends z.ZodType>(schema: Schema) => schema.optional().catch(undefined);
const shaped = (shape: RegExp) => part(z.string().regex(shape));
const number = part(z.number());
const listOf = <Schema extends z.ZodType>(item: Schema) => part(z.array(z.unknown()).transform((items) => readEach(item, items)));
const SDK = z.object({ name: part(z.literal('sentry.javascript.node')), version: shaped(/^\d{1,3}\.\d{1,3}\.\d{1,3}$/) });

const FRAME = z
  .object({ filename: z.string(), function: part(z.string().max(200)), lineno: number, colno: number, in_app: part(z.boolean()) })
  .transform(({ filename, function: name, ...frame }) => {
    const place = safePlace(filename);
    // A function outside of the product may be named by anybody.
    return place === undefined ? { filename: 'app:///elsewhere', in_app: false } : { ...frame, filename: place, function: name };
  });
/** Others count on its place among the frames. */
const PROFILED_FRAME = FRAME.catch({ filename: 'app:///elsewhere', in_app: false });
const index = z.int().min(0);
const EXCEPTION = z.object({
  type: part(z.string().transform(safeErrorName)),
  value: part(z.string().transform(safeMessage)),
  mechanism: part(
    z.object({
      type: part(z.enum(['generic', 'chained', 'onuncaughtexception'])),
      handled: part(z.boolean()),
      source: part(z.enum(['cause'])),
      exception_id: number,
      parent_id: number,
    }),
  ),
  stacktrace: part(z.object({ frames: listOf(FRAME) })),
});
const CLIENT_REPORT = z.object({
  timestamp: number,
  discarded_events: listOf(
    z.object({
      reason: z.enum([
        'ratelimit_backoff',
        'network_error',
        'send_error',
        'queue_overflow',
        'event_processor',
        'sample_rate',
        'before_send',
      ]),
      category: z.enum(['error', 'transaction', 'span']),
      quantity: z.number(),
    }),
  ),
});
const HEX_ID = z.string().regex(/^[0-9a-f]{32}$/);
const HEADERS = z.object({
  event_id: shaped(/^[0-9a-f]{32}$/),
  sent_at: shaped(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
  sdk: part(SDK),
});

/** Names of tags; their values are words of the gateway. */
const TAGS = ['route', 'method', 'status', 'command', 'request_id', 'run_id', 'failure', 'code', 'error_code', 'repeats'] as const;

/** The items that may leave and, of each, the fields that may. */
function itemSchemas(words: AllowedWords) {
  const word = part(z.string().refine((text) => words.has(text)));
  const event = z.object({
    type: part(z.literal('transaction')),
    event_id: shaped(/^[0-9a-f]{32}$/),
    timestamp: number,
    start_timestamp: number,
    platform: part(z.literal('node')),
    level: part(z.enum(['fatal', 'error', 'warning', 'info'])),
    release: word,
    environment: word,
    transaction: word,
    transaction_info: part(z.object({ source: part(z.literal('route')) })),
    message: part(z.enum(FAILURES)),
    exception: part(z.object({ values: listOf(EXCEPTION) })),
    fingerprint: listOf(z.string().refine((text) => words.has(text))),
    user: part(z.object({ id: word })),
    tags: part(z.object(Object.fromEntries(TAGS.map((name) => [name, word])))),
    breadcrumbs: listOf(
      z.object({
        timestamp: number,
        category: part(z.enum(['run finished', 'catalogue replaced', 'settings changed'])),
        level: part(z.literal('info')),
        data: part(z.object({ command: word, status: word, run_id: word })),
      }),
    ),
    contexts: part(
      z.object({
        trace: part(
          z.object({
            trace_id: shaped(/^[0-9a-f]{32}$/),
            span_id: shaped(/^[0-9a-f]{16}$/),
            op: part(z.literal('http.server')),
            status: part(z.enum(['ok', 'invalid_argument', 'internal_error', 'unavailable'])),
          }),
        ),
        profile: part(z.object({ profiler_id: HEX_ID })),
        runtime: part(z.object({ name: part(z.literal('node')), version: shaped(/^v\d{1,3}\.\d{1,3}\.\d{1,3}$/) })),
      }),
    ),
    sdk: part(SDK),
  });
  return {
    event,
    transaction: event.extend({ spans: part(z.array(z.never())) }),
    client_report: CLIENT_REPORT,
    profile_chunk: profileChunk(word),
  };
}

function profileChunk<Word extends z.ZodType>(word: Word) {
  return z.object({
    chunk_id: HEX_ID,
    profiler_id: HEX_ID,
    platform: z.literal('node'),
    version: z.literal('2'),
    release: word,
    environment: word,
    client_sdk: SDK,
    profile: z.object({
      samples: z.array(z.object({ stack_id: index, thread_id: z.literal('0'), timestamp: z.number() })),
      stacks: z.array(z.array(index)),
      frames: z.array(PROFILED_FRAME),
      thread_metadata: z.object({ '0': z.object({ name: z.literal('main') }) }),
    }),
  });
}

/** An envelope as Sentry's protocol has it: headers, then items of a header and a payload each. */
export type Envelope = readonly [headers: unknown, items: readonly (readonly [header: unknown, payload: unknown])[]];
const KINDS = ['event', 'transaction', 'client_report', 'profile_chunk'] as const;
export type AllowedItem = [header: { readonly type: (typeof KINDS)[number]; readonly platform?: 'node' }, payload: object];
export type AllowedEnvelope = [headers: object, items: AllowedItem[]];

/**
 * Makes envelopes anew from what is allowed in them. Items of other kinds (logs, sessions, attachments …) and fields that are not named here do
 * not leave, whoever put them there.
 */
export function createEnvelopeFilter(words: AllowedWords): (envelope: Envelope) => AllowedEnvelope {
  const schemas = itemSchemas(words);
  const kind = z.object({ type: z.enum(KINDS) });
  return ([headers, items]) => [
    HEADERS.parse(headers),
    items.flatMap(([header, payload]): AllowedItem[] => {
      const known = kind.safeParse(header);
      if (!known.success) return [];
      const allowed = schemas[known.data.type].safeParse(payload);
      if (!allowed.success) return [];
      return [[{ type: known.data.type, ...(known.data.type === 'profile_chunk' ? { platform: 'node' } : {}) }, allowed.data]];
    }),
  ];
}

function readEach<Schema extends z.ZodType>(schema: Schema, items: readonly unknown[]): z.output<Schema>[] {
  return items.slice(-MOST_ITEMS).flatMap((item) => {
    const read = schema.safeParse(item);
    return read.success ? [read.data] : [];
  });
}
