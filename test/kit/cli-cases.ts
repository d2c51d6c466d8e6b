// A program that runs the command line many times over in one process, for tests with many cases. Reads a JSON array of argument
// lists from stdin; writes a JSON array of what each gave: its exit code, and what it printed.
import { text } from 'node:stream/consumers';
import { runProgram } from '../../src/cli/program.js';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const results: CliResult[] = [];
const [out, err] = [process.stdout, process.stderr].map((stream) => stream.write.bind(stream));

for (const argv of JSON.parse(await text(process.stdin)) as string[][]) {
  const printed = { stdout: '', stderr: '' };
  process.stdout.write = (chunk: string | Uint8Array) => ((printed.stdout += String(chunk)), true);
  process.stderr.write = (chunk: string | Uint8Array) => ((printed.stderr += String(chunk)), true);
  results.push({ code: await runProgram(['node', 'sallyport', ...argv]), ...printed });
}
[process.stdout.write, process.stderr.write] = [out!, err!];
process.stdout.write(JSON.stringify(results));
