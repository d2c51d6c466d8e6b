import { randomBytes } from 'node:crypto';
import { maskKey } from '../redaction/for-people.js';
import { secretForms } from '../redaction/secret-forms.js';
import { FEWEST_MASKS } from './canary-command.js';
import { print } from './cli-failure.js';

/** One place that a secret could have got to. */
export interface Sink {
  readonly sink: string;
  readonly bytes: number;
  /** How many encodings of the canary are in it. */
  readonly leaks: number;
}

/** One that could not be looked at, and why. */
export interface UnseenSink {
  readonly sink: string;
  readonly reason: string;
}

/** What a search came to. */
export interface CanaryFindings {
  /** Masks that the run of the canary counted. */
  readonly masks: number;
  readonly sinks: readonly Sink[];
  readonly unseen: readonly UnseenSink[];
}

/** A fresh secret and every text in which it could show up. */
export class Canary {
  readonly text = `canary/${randomBytes(18).toString('base64')}&é`;
  private readonly forms = secretForms([this.text]);

  /** Looks through what may be too long to be held. */
  async search(sink: string, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Sink> {
    const longest = Math.max(...this.forms.map((form) => form.length));
    const decoder = new TextDecoder();
    const found = new Set<string>();
    let bytes = 0;
    let text = '';
    for await (const piece of pieces) {
      bytes += piece.length;
      text += decoder.decode(piece, { stream: true });
      for (const form of this.forms) if (text.includes(form)) found.add(form);
      text = text.slice(-longest);
    }
    return { sink, bytes, leaks: found.size };
  }

  searchText(sink: string, text: string): Promise<Sink> {
    return this.search(sink, [Buffer.from(text)]);
  }

  /** @returns the exit code: 1 when the secret is anywhere, or did not come through at all */
  report({ masks, sinks, unseen }: CanaryFindings, options: { readonly json?: boolean }): number {
    const ok = masks >= FEWEST_MASKS && sinks.every(({ leaks }) => leaks === 0);
    print({ ok, masks, sinks, unseen }, options, () => this.describe({ masks, sinks, unseen }));
    return ok ? 0 : 1;
  }

  private describe({ masks, sinks, unseen }: CanaryFindings): string {
    return [
      `The canary ${maskKey(this.text)} was printed and masked ${masks} times${masks < FEWEST_MASKS ? ': too few, it did not come through' : ''}.`,
      ...sinks.map(({ sink, bytes, leaks }) => `${(leaks === 0 ? 'ok' : 'LEAK').padEnd(8)} ${sink} (${bytes} bytes)`),
      ...unseen.map(({ sink, reason }) => `${'unseen'.padEnd(8)} ${sink}: ${reason}`),
    ].join('\n');
  }
}
