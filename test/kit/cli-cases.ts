// A program that runs the command line many times over in one process, for tests with many cases: to start one takes longer than to
// run most of them. Reads a JSON object (`CliCase`) a line from stdin; answers each, in their order, by a line with its `Finished`.
import { createInterface } from 'node:readline';
import { runProgram } from '../../src/cli/program.js';
import { asLine, type CliCase } from './warm-cli.js';

// Each command line has a log of its own, which hears of the end of the process.
process.setMaxListeners(0);
const answer = process.stdout.write.bind(process.stdout);

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { argv, cwd, env } = JSON.parse(line) as CliCase;
  const printed = { stdout: '', stderr: '' };
  process.stdout.write = (chunk: string | Uint8Array) => ((printed.stdout += String(chunk)), true);
  process.stderr.write = (chunk: string | Uint8Array) => ((printed.stderr += String(chunk)), true);
  process.chdir(cwd);
  process.env = { ...env };
  const code = await runProgram(['node', 'sallyport', ...argv]);
  answer(asLine({ code, signal: null, ...printed }));
}
