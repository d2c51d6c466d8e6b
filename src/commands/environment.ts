/** Variables that make a program load code or change how it reads its own input: no catalogue needs them in the clear. */
const FORBIDDEN =
  /^(?:LD_.*|DYLD_.*|GLIBC_TUNABLES|GCONV_PATH|NODE_OPTIONS|BASH_ENV|ENV|IFS|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|PYTHONSTARTUP|PYTHONHOME|PYTHONINSPECT|PERL5OPT|PERL5DB|RUBYOPT|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS)$/;

/** Set by whoever starts the child. */
const OURS = /^TRACEPARENT$/;

/** Variables that say where programs and settings come from: the author may set them, a caller's value may not. */
const LITERAL_ONLY =
  /^(?:PATH|HOME|LANG|LANGUAGE|LC_.*|TZ|SHELL|TERM|TMPDIR|GIT_.*|SSH_ASKPASS|EDITOR|VISUAL|PAGER|MANPAGER|LESSOPEN|LESSCLOSE|PYTHONPATH|PERL5LIB|RUBYLIB|NODE_PATH|CLASSPATH|XDG_.*|.*_PROXY)$/i;

/** Why a command may not declare this variable; undefined when it may. */
export function variableRefusal(name: string, holdsParam: boolean): string | undefined {
  if (FORBIDDEN.test(name)) return 'is a variable that makes programs load or run other code: it cannot be declared';
  if (OURS.test(name)) return 'is set by the gateway itself';
  return holdsParam && LITERAL_ONLY.test(name) ? 'decides what programs do: give it a fixed value, not a param' : undefined;
}

/** Whether the name says that the value is a credential. */
export function namesSecret(name: string): boolean {
  return /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|_KEY$/i.test(name);
}

/**
 * What every child gets before its command's own `env`: the folders that programs were looked up in, a home that does not exist (so that
 * no dotfile of anybody steers a program), and the plain locale, in which output does not depend on the host and programs start fastest.
 */
export function baseEnvironment(folders: readonly string[]): Readonly<Record<string, string>> {
  return { PATH: folders.join(':'), HOME: '/nonexistent', LANG: 'C' };
}

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

export type Expansion =
  | { readonly kind: 'expanded'; readonly text: string; readonly usesVariable: boolean }
  | { readonly kind: 'missing'; readonly name: string }
  | { readonly kind: 'malformed' };

/** Replaces `${NAME}` and `${NAME:-default}`. An empty variable counts as missing, as in shells. What is put in is not read again. */
export function expandVariables(text: string, variable: (name: string) => string | undefined): Expansion {
  if (text.replace(VARIABLE, '').includes('${')) return { kind: 'malformed' };
  const found = [...text.matchAll(VARIABLE)].map(([, name = '', fallback]) => ({ name, value: variable(name) || fallback }));
  const missing = found.find(({ value }) => value === undefined);
  if (missing) return { kind: 'missing', name: missing.name };
  let next = 0;
  return { kind: 'expanded', text: text.replace(VARIABLE, () => found[next++]?.value ?? ''), usesVariable: found.length > 0 };
}
