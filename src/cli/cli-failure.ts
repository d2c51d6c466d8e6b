import type { Problem } from '../domain/errors.js';

/** Bad usage, settings, arguments or rights. */
export const EXIT_REFUSED = 2;

/** Ends a command of ours with a message for people (empty: it is printed already) and an exit code for scripts. */
export class CliFailure extends Error {
  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}

/** A problem in lines for people. */
export function describeProblem({ code, detail, errors = [] }: Pick<Problem, 'code' | 'detail' | 'errors'>): string {
  return [`${code}: ${detail}`, ...errors.map(({ path, message }) => `  ${path}: ${message}`)].join('\n');
}

/** What a person (or, with `--json`, a script) reads. */
export function print(value: unknown, options: { readonly json?: boolean }, asText: () => string): void {
  process.stdout.write(`${options.json ? JSON.stringify(value, null, 2) : asText()}\n`);
}
