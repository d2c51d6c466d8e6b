/** What a text must be to become a master key. */
export const MASTER_KEY_EXPECTATION = '32 random bytes as base64 or hex, such as `openssl rand -base64 32` prints';

const LENGTH = 32;
/** Of 32 random bytes fewer than 20 are different once in 10^13 times. */
const FEWEST_DIFFERENT = 20;

/** The 32 bytes; undefined for another length or form, and for what no random source gives: few different bytes, plain text, a sequence. */
export function parseMasterKey(text: string): Buffer | undefined {
  const bytes = decode(text.trim());
  return bytes?.length === LENGTH && looksRandom(bytes) ? bytes : undefined;
}

function decode(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}

function looksRandom(bytes: Buffer): boolean {
  if (new Set(bytes).size < FEWEST_DIFFERENT) return false;
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) return false;
  const steps = new Set(bytes.subarray(1).map((byte, index) => byte - (bytes[index] ?? 0)));
  return steps.size > 2;
}
