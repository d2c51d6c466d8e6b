/**
 * A step of the redactor: text in, text out. What cannot be decided yet is held back until more arrives or the stream ends.
 * However the input is split, the concatenated output is the same.
 */
export interface Stage {
  push(text: string): string;
  /** The rest. Called once, last. */
  end(): string;
}
