import { type Measurement, Probe } from '../domain/ports.js';

/** Lines that wait for a log that cannot be written, in characters; what comes beyond that is lost. */
export const MOST_WAITING = 4 * 1024 ** 2;

/** Takes whole lines, each with its instant (ISO-8601 UTC). Never waits, never throws. */
export interface LineSink {
  write(line: string, instant: string): void;
}

/** A place that lines go to, and whether they arrive. */
export interface LogOutlet {
  readonly log: 'application' | 'requests';
  /** Why it cannot be written just now; undefined when it can. */
  readonly failure: string | undefined;
  /** Lines that are gone for good, since the start. */
  readonly linesLost: number;
}

export function lineCount(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

/** Whether the logs can be written. A gateway whose logs cannot be is degraded, but serves: this is no reason to be unready. */
export class LogProbe extends Probe {
  readonly name = 'log';
  override readonly critical = false;

  constructor(readonly outlets: readonly LogOutlet[]) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    return this.outlets.map(({ log: of, failure }) => {
      const warning = failure === undefined ? {} : { warning: `The log of the ${of} cannot be written: ${failure}` };
      return { name: 'writable', of, value: failure === undefined, ...warning };
    });
  }
}
