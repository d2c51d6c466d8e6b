import { hash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * The text of a key: `slp_<id>_<secret><checksum>`, base62. The secret holds 32 × log2(62) = 190 bits. The checksum is the CRC-32 of
 * `<id>_<secret>` (ASCII), in base62 (digits, upper case, lower case), padded with zeros: typos and look-alikes are rejected without a lookup,
 * by us, by clients, by secret scanners.
 */
const PREFIX = 'slp_';
const ID_LENGTH = 12;
const SECRET_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
const TEXT_LENGTH = PREFIX.length + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SHAPE = /^slp_([0-9A-Za-z]{12})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;
const ID_SHAPE = /^[0-9A-Za-z]{12}$/;

export interface KeyParts {
  readonly id: string;
  readonly secret: string;
}

export interface GeneratedKey extends KeyParts {
  /** What the holder sends; shown once, stored nowhere. */
  readonly text: string;
  readonly secretHash: string;
}

export function generateKey(): GeneratedKey {
  return generateSecret(randomText(ID_LENGTH));
}

/** A key of this id with a new secret. */
export function generateSecret(id: string): GeneratedKey {
  const secret = randomText(SECRET_LENGTH);
  return { id, secret, text: formatKey({ id, secret }), secretHash: hashSecret(secret) };
}

export function formatKey({ id, secret }: KeyParts): string {
  return `${PREFIX}${id}_${secret}${checksumOf(id, secret)}`;
}

/** The parts of a well-formed key; undefined for anything else. Takes the same short time for any text. */
export function parseKey(text: string): KeyParts | undefined {
  if (text.length !== TEXT_LENGTH) return undefined;
  const [, id, secret, checksum] = SHAPE.exec(text) ?? [];
  if (id === undefined || secret === undefined) return undefined;
  return checksum === checksumOf(id, secret) ? { id, secret } : undefined;
}

export function isKeyId(text: string): boolean {
  return ID_SHAPE.test(text);
}

/** SHA-256, hex. One round is enough: a secret of 190 random bits cannot be guessed from its hash. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}

/**
 * Whether the secret was typed by a person as an example: a few characters repeated, a run of the alphabet, a tell-tale word.
 * The odds that a generated secret looks so are below one in a hundred million.
 */
export function isPlaceholder(secret: string): boolean {
  const text = secret.toLowerCase();
  return new Set(secret).size < 10 || /example|placeholder|changeme/.test(text) || hasSequence(text);
}

/** Whether eight neighbours follow each other as in `abcdefgh` or `01234567`. */
function hasSequence(text: string): boolean {
  let length = 1;
  for (let index = 1; index < text.length && length < 8; index++) {
    length = text.charCodeAt(index) === text.charCodeAt(index - 1) + 1 ? length + 1 : 1;
  }
  return length >= 8;
}

function checksumOf(id: string, secret: string): string {
  let rest = crc32(`${id}_${secret}`);
  let text = '';
  for (; rest > 0; rest = Math.floor(rest / ALPHABET.length)) text = ALPHABET.charAt(rest % ALPHABET.length) + text;
  return text.padStart(CHECKSUM_LENGTH, '0');
}

/** `randomInt` draws again instead of wrapping around, so every character is equally likely. */
function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('');
}
