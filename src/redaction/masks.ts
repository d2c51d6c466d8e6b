/** What the redactor can find: `secret` is an exact value declared for the run, the others are recognised by their shape. */
export const REDACTION_KINDS = [
  'secret',
  'api_key',
  'bearer_token',
  'basic_auth',
  'private_key',
  'aws_access_key',
  'github_token',
  'gitlab_token',
  'slack_token',
  'google_key',
  'stripe_key',
  'openai_key',
  'anthropic_key',
  'npm_token',
  'pypi_token',
  'huggingface_token',
  'azure_key',
  'twilio_key',
  'sendgrid_key',
  'vault_token',
  'databricks_token',
  'service_token',
  'jwt',
  'url_password',
  'password',
  'credential',
  'ssn',
  'email',
  'card_number',
  'iban',
  'phone',
] as const;
export type RedactionKind = (typeof REDACTION_KINDS)[number];

/** What stands in place of a thing of this kind, everywhere. Kinds of operators' own rules have masks of the same form. */
export function maskOf(kind: string): string {
  return `«redacted:${kind}»`;
}

/** Code of `«`, with which every mask begins. */
export const MASK_OPENING = '«'.charCodeAt(0);

/** The masks that are known: those of our kinds, and of operators' own rules. What only looks like one is text. */
export class Masks {
  readonly #masks: readonly string[];
  readonly #longest: number;

  constructor(ownKinds: readonly string[] = []) {
    this.#masks = [...REDACTION_KINDS, ...ownKinds].map(maskOf);
    this.#longest = Math.max(...this.#masks.map((mask) => mask.length));
  }

  /**
   * The end (exclusive) of the mask that begins at `at`; `more` when the text ends before that can be told.
   * A mask in the input is never looked into nor across: that makes redaction idempotent.
   */
  end(text: string, at: number, final: boolean): number | 'none' | 'more' {
    const rest = text.slice(at, at + this.#longest);
    const whole = this.#masks.find((mask) => rest.startsWith(mask));
    if (whole) return at + whole.length;
    return !final && this.#masks.some((mask) => mask.startsWith(rest)) ? 'more' : 'none';
  }
}
