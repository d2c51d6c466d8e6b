import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Finished } from './program.js';

const CASES = fileURLToPath(new URL('./cli-cases.js', import.meta.url));
/** Compiled once for all starts of all tests: beside what tsc emits. */
export const COMPILE_CACHE = fileURLToPath(new URL('../../.compile-cache', import.meta.url));

/** A command line, where it is typed, and the whole environment. */
export interface CliCase {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** JSON that `readline` takes for one line: it also ends them at these two. */
export function asLine(value: unknown): string {
  return `${JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}\n`;
}

let warm: WarmCli | undefined;

/** The one of this test file, started when it is first asked for. */
export function warmCli(): WarmCli {
  return (warm ??= new WarmCli());
}

/** Ends it. */
export async function stopWarmCli(): Promise<void> {
  await warm?.stop();
  warm = undefined;
}

/** One process that runs the compiled command line for whoever asks, one after the other. */
class WarmCli {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly answers: Interface;
  private readonly waiting: PromiseWithResolvers<Finished>[] = [];

  constructor() {
    const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: COMPILE_CACHE };
    this.child = spawn(process.execPath, [CASES], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.answers = createInterface({ input: this.child.stdout, crlfDelay: Infinity });
    this.answers.on('line', (line) => this.waiting.shift()?.resolve(JSON.parse(line) as Finished));
    this.child.once('exit', (code) => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error(`the command line ended its process with ${code}`));
    });
  }

  /** Rejects when the process ends before it answers: no command line may. */
  run(asked: CliCase): Promise<Finished> {
    const answer = Promise.withResolvers<Finished>();
    this.waiting.push(answer);
    this.child.stdin.write(asLine(asked));
    return answer.promise;
  }

  /** Nothing of what was run keeps it alive: it ends when nobody asks any more. */
  async stop(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.stdin.end();
    await exited;
  }
}
