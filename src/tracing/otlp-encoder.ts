import type { SpanAttributes } from '../domain/tracing.js';
import type { Redaction } from '../redaction/redaction.js';
import type { RecordedSpan } from './spans.js';
import { isAlwaysNew, type WireSpan } from './wire-span.js';

/** As OpenTelemetry's settings call them. */
export type OtlpProtocol = 'http/protobuf' | 'http/json';

export const CONTENT_TYPES: Readonly<Record<OtlpProtocol, string>> = {
  'http/protobuf': 'application/x-protobuf',
  'http/json': 'application/json',
};

type Form = typeof import('./otlp-json.js');

/** Of a text. */
const MOST_CHARACTERS = 200;
const MOST_KNOWN = 1_000;
/** Made by the gateway of random digits: nothing of anybody's can be in it, and each is new. */
const OURS = 'sallyport.run.id';

/** Turns spans into what collectors read. Whatever text is in them passes the redactor here, behind which nothing is added. */
export class OtlpEncoder {
  private readonly resource: SpanAttributes;
  /** Texts in which nothing is to be masked. */
  private readonly clean = new Set<string>();
  private form: Promise<Form> | undefined;

  constructor(
    private readonly protocol: OtlpProtocol,
    private readonly redaction: Redaction,
    resource: SpanAttributes,
  ) {
    this.resource = redaction.data(resource) as SpanAttributes;
  }

  async encode(spans: readonly RecordedSpan[]): Promise<Uint8Array> {
    const { write } = await this.load();
    return write(
      spans.map((span) => this.redacted(span)),
      this.resource,
    );
  }

  /** How many spans of a request the collector says that it left out. */
  async refusedIn(answer: Uint8Array): Promise<number> {
    return answer.length === 0 ? 0 : (await this.load()).readRejected(answer);
  }

  /** Only where there is something to be exported. */
  private load(): Promise<Form> {
    return (this.form ??= this.protocol === 'http/json' ? import('./otlp-json.js') : import('./otlp-protobuf.js'));
  }

  private redacted(span: RecordedSpan): WireSpan {
    const { name, failure } = span;
    const attributes = failure === undefined ? span.attributes : { ...span.attributes, 'error.type': failure };
    if (this.isClean(span)) return { span, name, attributes: hasLong(attributes) ? shortened(attributes) : attributes };
    return { span, name: this.redaction.text(name).text, attributes: shortened(this.redaction.data(attributes) as SpanAttributes) };
  }

  /** Most spans say the same as others before: only what is new in one is looked through. */
  private isClean({ name, attributes }: RecordedSpan): boolean {
    let isKnown = this.clean.has(name);
    let news = isKnown ? '' : name;
    for (const key in attributes) {
      const value = attributes[key];
      if (typeof value !== 'string' || key === OURS || this.clean.has(value)) continue;
      news += `\n${value}`;
      isKnown &&= isAlwaysNew(key);
    }
    if (news === '') return true;
    if (this.redaction.mayMatch(news)) return false;
    if (!isKnown) this.remember(name, attributes);
    return true;
  }

  private remember(name: string, attributes: SpanAttributes): void {
    const texts = Object.entries(attributes).map(([key, value]) => (isAlwaysNew(key) ? undefined : value));
    for (const text of [name, ...texts]) {
      if (typeof text === 'string' && text.length <= MOST_CHARACTERS && this.clean.size < MOST_KNOWN) this.clean.add(text);
    }
  }
}

function hasLong(attributes: SpanAttributes): boolean {
  for (const key in attributes) {
    const value = attributes[key];
    if (typeof value === 'string' && value.length > MOST_CHARACTERS) return true;
  }
  return false;
}

/** Only after it was redacted. */
function shortened(attributes: SpanAttributes): SpanAttributes {
  const short = (value: SpanAttributes[string]) => (typeof value === 'string' ? value.slice(0, MOST_CHARACTERS) : value);
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, short(value)]));
}
