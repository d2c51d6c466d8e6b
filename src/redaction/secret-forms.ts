import { GatewayError } from '../domain/errors.js';

/** Shorter values are not masked: they would take ordinary words with them. */
const SHORTEST_SECRET = 4;

/** Bytes of all secrets of one run together that the matcher takes; its memory is up to 900 times that. */
export const LONGEST_SECRETS = 16 * 1024;

/**
 * Every text in which one of the secrets may show up: as it is, in base64 at each of its three alignments, base64url, hex,
 * URL encoding and JSON.
 * @throws GatewayError `invalid_arguments` when the secrets together are longer than {@link LONGEST_SECRETS}: what cannot be
 * masked must not run
 */
export function secretForms(secrets: readonly string[]): readonly string[] {
  if (secrets.length === 0) return secrets;
  const given = [...new Set(secrets)].filter((secret) => secret.length >= SHORTEST_SECRET);
  if (given.reduce((sum, secret) => sum + Buffer.byteLength(secret), 0) > LONGEST_SECRETS) {
    throw new GatewayError('invalid_arguments', `Secret values may be ${LONGEST_SECRETS} bytes long together`);
  }
  const trimmed = given.map((secret) => secret.trim()).filter((secret) => secret.length >= SHORTEST_SECRET);
  const masked = [...new Set([...given, ...trimmed])].map((secret) => secret.toWellFormed());
  const forms = masked.flatMap((value) => [value, ...base64Forms(value), ...hexForms(value), ...urlForms(value), ...jsonForms(value)]);
  return [...new Set(forms)].filter((form) => form.length >= SHORTEST_SECRET);
}

/**
 * Alone, and as part of something longer: the secret then begins at one of three places of a group, and only the characters
 * that no neighbour has a bit in are always the same.
 */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  const alone = bytes.toString('base64');
  const within = [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    return encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  });
  const standard = [alone, alone.replace(/=+$/, ''), ...within];
  return [...standard, ...standard.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))];
}

function hexForms(value: string): string[] {
  const hex = Buffer.from(value).toString('hex');
  return [hex, hex.toUpperCase()];
}

/** The encoders differ in what they leave alone (`/`, `!'()*`, `~`), in how they write a space, and in the case of their digits. */
function urlForms(value: string): string[] {
  const component = encodeURIComponent(value);
  const strict = component.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  const form = new URLSearchParams([['', value]]).toString().slice(1);
  const encoded = [component, strict, form, encodeURI(value)].flatMap((text) => [text, text.replaceAll('%2F', '/')]);
  const withPlus = encoded.map((text) => text.replaceAll('%20', '+'));
  return [...encoded, ...withPlus].flatMap((text) => [text, text.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())]);
}

/** JSON as JavaScript writes it, with `\/` (PHP), with `\u0026` and its like (Go), and in ASCII alone (Python). */
function jsonForms(value: string): string[] {
  const plain = JSON.stringify(value).slice(1, -1);
  const html = plain.replace(/[<>&\u2028\u2029]/g, unicodeEscape);
  const forms = [plain, plain.replaceAll('/', '\\/'), html];
  return [...forms, ...forms.map((form) => form.replace(/[\u0080-\uffff]/g, unicodeEscape))];
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
