import { constants } from 'node:os';

/** What bubblewrap writes is far below this; more is not read. */
const MOST_CHARACTERS = 4_096;

/** Reads what bubblewrap tells of a sandbox (`--json-status-fd`): a line when it stands, and one when its program has ended. */
export class SandboxStatus {
  /** Whether the program itself was started and has ended. */
  programRan = false;
  private text = '';

  /** @param onStanding called once, with the number of the first process inside */
  constructor(private readonly onStanding: (pid: number) => void) {}

  take(data: Buffer): void {
    if (this.text.length < MOST_CHARACTERS) this.text += data.toString('latin1');
    for (let end = this.text.indexOf('\n'); end >= 0; end = this.text.indexOf('\n')) {
      this.read(this.text.slice(0, end));
      this.text = this.text.slice(end + 1);
    }
  }

  /** bubblewrap ends as its program did; of a program that was ended by a signal, with 128 + its number, like a shell. */
  signalOf(code: number): { readonly signal?: string } {
    const [signal] = Object.entries(constants.signals).find(([, number]) => 128 + number === code) ?? [];
    return signal === undefined ? {} : { signal };
  }

  private read(line: string): void {
    const { 'child-pid': pid, 'exit-code': code } = parse(line);
    if (typeof pid === 'number') this.onStanding(pid);
    if (typeof code === 'number') this.programRan = true;
  }
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    // Half a line of a bubblewrap that was killed.
    return {};
  }
}
