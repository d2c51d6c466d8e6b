import type { OutputParser } from '../domain/command.js';
import type { OutputChunk, OutputStream, Run } from '../domain/run.js';

/** A run as lists and `run.finished` show it. */
export type RunSummary = Omit<Run, 'commandVersion' | 'principalId'> & { readonly keyId: string };

/** A run as `/run` answers it. `parsed` is null where the output is not of the declared form, or the command declares none. */
export type RunEnvelope = RunSummary & { readonly stdout: string; readonly stderr: string; readonly parsed: unknown };

export function summarise({ commandVersion: _version, principalId, ...run }: Run): RunSummary {
  return { ...run, keyId: principalId };
}

export function envelope(run: Run, output: readonly OutputChunk[], parse: OutputParser): RunEnvelope {
  const stdout = textOf(output, 'stdout');
  return { ...summarise(run), stdout, stderr: textOf(output, 'stderr'), parsed: parseOutput(stdout, parse) };
}

export function textOf(output: readonly OutputChunk[], stream: OutputStream): string {
  let text = '';
  for (const chunk of output) if (chunk.stream === stream) text += chunk.data;
  return text;
}

function parseOutput(stdout: string, parse: OutputParser): unknown {
  switch (parse) {
    case 'text':
      return null;
    case 'lines':
      return stdout === '' ? [] : stdout.replace(/\r?\n$/, '').split(/\r?\n/);
    case 'json':
      try {
        return JSON.parse(stdout) as unknown;
      } catch {
        return null; // Not of the declared form: stdout has it as it came.
      }
  }
}
