import { text } from 'node:stream/consumers';
import type { ReadStream } from 'node:tty';
import { CliFailure, EXIT_REFUSED } from './cli-failure.js';

/**
 * A value that nobody shall see: typed twice without echo, or all of stdin. The line end that closes a single line is not part of
 * it; a value of several lines (a private key) is taken as it is.
 */
export async function readSecret(question: string): Promise<string> {
  if (!process.stdin.isTTY) return withoutLineEnd(await text(process.stdin));
  const value = await askHidden(question, process.stdin);
  if ((await askHidden('Again: ', process.stdin)) !== value)
    throw new CliFailure('The two are not the same: nothing was set.', EXIT_REFUSED);
  return value;
}

function withoutLineEnd(value: string): string {
  const line = value.replace(/\r?\n$/, '');
  return line.includes('\n') ? value : line;
}

/** Keys that mean something on a terminal in raw mode. */
const [ENTER, INTERRUPT, END, ERASE] = [/^[\r\n]$/, '\u0003', '\u0004', /^[\b\u007f]$/];

/** One line from a terminal that is told not to show it. */
async function askHidden(question: string, terminal: ReadStream): Promise<string> {
  process.stderr.write(question);
  terminal.setRawMode(true);
  terminal.setEncoding('utf8');
  try {
    return await new Promise<string>((resolve, reject) => readLine(terminal, { resolve, reject }));
  } finally {
    terminal.setRawMode(false);
    terminal.pause();
    process.stderr.write('\n');
  }
}

interface Listener {
  resolve(line: string): void;
  reject(reason: CliFailure): void;
}

function readLine(terminal: ReadStream, { resolve, reject }: Listener): void {
  const typed: string[] = [];
  const stop = (settle: () => void) => {
    terminal.off('data', take);
    settle();
  };
  const take = (keys: string) => {
    for (const [place, key] of [...keys].entries()) {
      if (key === INTERRUPT || key === END) return stop(() => reject(new CliFailure('Nothing was set.', EXIT_REFUSED)));
      if (ENTER.test(key)) {
        // What was typed ahead belongs to the next question.
        terminal.unshift([...keys].slice(place + 1).join(''));
        return stop(() => resolve(typed.join('')));
      }
      if (ERASE.test(key)) typed.pop();
      else typed.push(key);
    }
  };
  terminal.on('data', take);
}
