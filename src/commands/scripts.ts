/** Interpreters that a `script` may name. */
export const INTERPRETERS = ['sh', 'bash', 'python3', 'node', 'perl'] as const;
export type Interpreter = (typeof INTERPRETERS)[number];

/**
 * argv of a script up to its first positional parameter. Each form ends the interpreter's own options, so that no argument can be one;
 * Python runs isolated, because it would else import modules from the working directory.
 */
export function scriptHead(interpreter: Interpreter, text: string, name: string): readonly string[] {
  switch (interpreter) {
    case 'sh':
    case 'bash':
      return [interpreter, '-c', text, name];
    case 'python3':
      return [interpreter, '-I', '-c', text];
    case 'node':
    case 'perl':
      return [interpreter, '-e', text, '--'];
  }
}

const CODE_RUNNERS =
  /^(?:(?:ba|da|z|k|mk|c|tc|a|fi)?sh|busybox|python[\d.]*|pypy[\d.]*|perl[\d.]*|ruby[\d.]*|node(?:js)?|deno|bun|php[\d.]*|lua[\d.]*|tclsh|osascript|pwsh|powershell|eval|awk|gawk|mawk|sed)$/;
const WRAPPERS =
  /^(?:sudo|doas|su|runuser|pkexec|env|xargs|nohup|nice|timeout|setsid|ssh|chroot|unshare|nsenter|docker|podman|kubectl|find|parallel|watch)$/;

/** Why a program in `exec` deserves a second look; undefined when it does not. */
export function programWarning(program: string): string | undefined {
  const name = baseName(program);
  if (CODE_RUNNERS.test(name)) return `${name} runs code: make sure that no argument can become code`;
  if (WRAPPERS.test(name)) return `${name} starts other programs: make sure that no argument can become a program or an option of one`;
  return undefined;
}

export function isCodeRunner(program: string): boolean {
  return CODE_RUNNERS.test(baseName(program));
}

/** `-c`, `-lc`, `-e`, `-E`, `--eval` …: an element after which an interpreter expects code. */
export function announcesCode(element: string): boolean {
  return /^-[A-Za-z]*[ceEpr]$|^--(?:eval|print|command|expression|execute|run)=?$/.test(element);
}

function baseName(program: string): string {
  return program.slice(program.lastIndexOf('/') + 1);
}
