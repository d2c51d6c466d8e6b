const LONGEST = 4_096;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_TEXT = /^[\x20-\x7e]*$/;

/** `a=1,b=two%20words` → its pairs, as OpenTelemetry's variables have them (W3C Baggage without properties); undefined for any other text. */
export function parsePairs(text: string): Readonly<Record<string, string>> | undefined {
  if (text.length > LONGEST) return undefined;
  const pairs = text.split(',').map(parsePair);
  return pairs.every((pair) => pair !== undefined) ? Object.fromEntries(pairs) : undefined;
}

/** The same for headers: names and values that can be sent. */
export function parseHeaders(text: string): Readonly<Record<string, string>> | undefined {
  const headers = parsePairs(text);
  return headers && Object.entries(headers).every(([name, value]) => TOKEN.test(name) && HEADER_TEXT.test(value)) ? headers : undefined;
}

function parsePair(text: string): [string, string] | undefined {
  const [, name, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) return undefined;
  try {
    return [decodeURIComponent(name), decodeURIComponent(value)];
  } catch {
    return undefined;
  }
}

/** `0.25` → a part of a whole; undefined for what is no number from 0 to 1. */
export function parseRatio(text: string): number | undefined {
  return /^(?:0|1|0?\.\d{1,15}|[01]\.0{1,15}|0\.\d{1,15})$/.test(text) ? Number(text) : undefined;
}
