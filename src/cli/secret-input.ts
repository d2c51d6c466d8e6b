import { text } from 'node:stream/consumers';
import type { ReadStream } from 'node:tty';
import { CliFailure, EXIT_REFUSED } from './cli-failure.js';

/**
 * A value that nobody shall see: typed twice without echo, or all of stdin. The line end that closes a single line is not part of
 * it; a value of several lines (a private key) is taken as it is.
 */
export async function readSecret(question: string): Promise<string> {
  return process.stdin.isTTY ? askTwice(question, process.stdin) : withoutLineEnd(await text(process.stdin));
}

function withoutLineEnd(value: string): string {
  const line = value.replace(/\r?\n$/, '');
  return line.includes('\n') ? value : line;
}

async function askTwice(question: string, terminal: ReadStream): Promise<string> {
  terminal.setRawMode(true);
  const lines = hiddenLines(terminal);
  try {
    const value = await ask(question, lines);
    if ((await ask('Again: ', lines)) === value) return value;
    throw new CliFailure('The two are not the same: nothing was set.', EXIT_REFUSED);
  } finally {
    terminal.setRawMode(false);
    await lines.return(undefined);
  }
}

async function ask(question: string, lines: AsyncGenerator<string, undefined>): Promise<string> {
  process.stderr.write(question);
  const { value } = await lines.next();
  process.stderr.write('\n');
  if (value === undefined) throw new CliFailure('Nothing was set.', EXIT_REFUSED);
  return value;
}

/** Keys that mean something on a terminal in raw mode. */
const [ENTER, INTERRUPT, END, ERASE] = [/^[\r\n]$/, '\u0003', '\u0004', /^[\b\u007f]$/];

/** Lines from a terminal that was told not to show them, until Ctrl-C or Ctrl-D. What is typed ahead belongs to the next line. */
async function* hiddenLines(terminal: ReadStream): AsyncGenerator<string, undefined> {
  let typed: string[] = [];
  for await (const keys of terminal.setEncoding('utf8') as AsyncIterable<string>) {
    for (const key of keys) {
      if (key === INTERRUPT || key === END) return undefined;
      if (ENTER.test(key)) {
        yield typed.join('');
        typed = [];
      } else if (ERASE.test(key)) typed.pop();
      else typed.push(key);
    }
  }
  return undefined;
}
