/** What the redactor can find: `secret` is an exact value declared for the run, the others are recognised by their shape. */
export const REDACTION_KINDS = [
  'secret',
  'api_key',
  'bearer_token',
  'private_key',
  'aws_access_key',
  'github_token',
  'slack_token',
  'ssn',
  'email',
  'card_number',
] as const;
export type RedactionKind = (typeof REDACTION_KINDS)[number];

/** What stands in place of a thing of this kind, everywhere. */
export function maskOf(kind: RedactionKind): string {
  return `«redacted:${kind}»`;
}

/** Code of `«`, with which every mask begins. */
export const MASK_OPENING = '«'.charCodeAt(0);

const MASKS = REDACTION_KINDS.map(maskOf);
const LONGEST_MASK = Math.max(...MASKS.map((mask) => mask.length));

/**
 * The end (exclusive) of the mask that begins at `at`; `more` when the text ends before that can be told.
 * A mask in the input is never looked into nor across: that makes redaction idempotent.
 */
export function maskEnd(text: string, at: number, final: boolean): number | 'none' | 'more' {
  const rest = text.slice(at, at + LONGEST_MASK);
  const whole = MASKS.find((mask) => rest.startsWith(mask));
  if (whole) return at + whole.length;
  return !final && MASKS.some((mask) => mask.startsWith(rest)) ? 'more' : 'none';
}
