import { Redaction, type Redacted } from './redaction.js';
import type { Redactor, RedactorOptions } from './redactor.js';

/** With every kind on and no rules of an operator's. */
const STANDARD = new Redaction();

export function createRedactor(options: RedactorOptions = {}): Redactor {
  return STANDARD.redactor(options);
}

export function redactText(text: string, secrets: readonly string[] = []): Redacted {
  return STANDARD.text(text, secrets);
}

export function redactData(data: unknown): unknown {
  return STANDARD.data(data);
}
