/** Text between and around placeholders. */
type Piece = string | { readonly param: string };
export type TextTemplate = readonly Piece[];

const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9_]*)\}/;

export function parseText(text: string): TextTemplate {
  return text
    .split(PLACEHOLDER)
    .map((piece, index) => (index % 2 === 1 ? { param: piece } : piece))
    .filter((piece) => piece !== '');
}

/** Names in one text, or anywhere in a JSON value. */
export function namesIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return parseText(value).flatMap((piece) => (typeof piece === 'string' ? [] : [piece.param]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(namesIn);
}

/** Undefined when a param in it is not given. */
export function fillText(
  template: TextTemplate,
  textOf: (name: string) => string | undefined,
  encode: (text: string) => string = (text) => text,
): string | undefined {
  let filled = '';
  for (const piece of template) {
    const text = typeof piece === 'string' ? piece : textOf(piece.param);
    if (text === undefined) return undefined;
    filled += typeof piece === 'string' ? piece : encode(text);
  }
  return filled;
}

/** A JSON value in which each text that is just a placeholder becomes the value itself. What is not given is left out of its list or object. */
export function fillJson(value: unknown, valueOf: (name: string) => unknown, textOf: (name: string) => string | undefined): unknown {
  if (typeof value === 'string') {
    const template = parseText(value);
    const [only] = template;
    return template.length === 1 && typeof only === 'object' ? valueOf(only.param) : fillText(template, textOf);
  }
  if (Array.isArray(value)) return value.map((item) => fillJson(item, valueOf, textOf)).filter((item) => item !== undefined);
  if (typeof value !== 'object' || value === null) return value;
  const filled = Object.entries(value).map(([key, item]) => [key, fillJson(item, valueOf, textOf)] as const);
  return Object.fromEntries(filled.filter(([, item]) => item !== undefined));
}

/** Encodes all but the letters, digits and marks that mean nothing anywhere (RFC 3986, 2.3). */
export function encodePart(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A declared address in its parts, each to be filled by itself: no value can reach into the next. */
export interface UrlTemplate {
  readonly scheme: 'http' | 'https';
  /** Fixed, or the param that is the host. */
  readonly host: string | { readonly param: string };
  readonly port: number | null;
  /** Between the slashes. */
  readonly segments: readonly TextTemplate[];
  readonly query: readonly { readonly key: string; readonly value: TextTemplate | null }[];
}

const URL_TEMPLATE = /^(https?):\/\/(\[[0-9a-f:.]+\]|\{[A-Za-z][A-Za-z0-9_]*\}|[a-z0-9.-]+)(?::(\d{1,5}))?(\/[^?#]*)?(?:\?([^#]*))?$/;

/** Undefined for what is no address of that form: lower case, no user name, no fragment, no placeholder in scheme, port or the key of a query. */
export function parseUrlTemplate(text: string): UrlTemplate | undefined {
  const [, scheme, host = '', port, path = '/', query] = URL_TEMPLATE.exec(text) ?? [];
  if (scheme !== 'http' && scheme !== 'https') return undefined;
  const pairs = (query ?? '').split('&').filter((pair) => pair !== '');
  const parsed = pairs.map((pair) => {
    const [key = '', ...rest] = pair.split('=');
    return { key, value: rest.length === 0 ? null : parseText(rest.join('=')) };
  });
  if (parsed.some(({ key }) => PLACEHOLDER.test(key))) return undefined;
  const [only] = parseText(host);
  return {
    scheme,
    host: typeof only === 'object' ? only : host,
    port: port === undefined ? null : Number(port),
    segments: path.slice(1).split('/').map(parseText),
    query: parsed,
  };
}
