const MOST_MEMBERS = 32;
const LONGEST = 512;
const KEY = String.raw`(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})`;
const VALUE = String.raw`[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]`;
const MEMBER = new RegExp(`^(${KEY})=${VALUE}$`);

/** A `tracestate` as W3C Trace Context has it, without empty members; undefined for any other text, which is dropped as a whole. */
export function parseTraceState(text: string | undefined): string | undefined {
  if (text === undefined || text.length > LONGEST) return undefined;
  const members = text
    .split(',')
    .map((member) => member.trim())
    .filter(Boolean);
  const keys = new Set(members.map((member) => MEMBER.exec(member)?.[1]));
  if (members.length === 0 || members.length > MOST_MEMBERS || keys.has(undefined) || keys.size < members.length) return undefined;
  return members.join(',');
}
