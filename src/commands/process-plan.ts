import type { CheckedArguments, ProcessInvocation } from '../domain/command.js';
import type { ResourceLimits, Sandbox } from '../domain/sandbox.js';
import { invalidArguments } from './argument-check.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import { goesToFile, templatesOf } from './declaration-rules.js';
import { secretFiles, secretOnStdin, secretVariables } from './kept-secrets.js';
import { typeOf } from './param-types.js';
import { scriptHead } from './scripts.js';
import { fill, parsePlaceholder, type Template } from './templates.js';

/** Linux' MAX_ARG_STRLEN less the closing NUL; the total leaves room below the smallest common ARG_MAX. */
const MOST_BYTES_OF_ONE = 128 * 1024 - 1;
const MOST_BYTES_OF_ALL = 1024 * 1024;

/** What stays the same over all calls of a command that starts a process. */
export interface ProcessPlanSource {
  readonly name: string;
  readonly declaration: CommandDeclaration;
  /** Absolute path of the program. */
  readonly file: string;
  readonly cwd: string;
  /** The child's environment, variables replaced, without entries that hold a param. */
  readonly env: Readonly<Record<string, string>>;
  readonly sandbox: Sandbox;
}

/** What programs in a sandbox get unless their command says otherwise. */
const CONTAINED_LIMITS: ResourceLimits = {
  cpuSeconds: null,
  memoryBytes: 1024 ** 3,
  processes: 256,
  fileBytes: 1024 ** 3,
  openFiles: 1_024,
};
const NO_LIMITS: ResourceLimits = { cpuSeconds: null, memoryBytes: null, processes: null, fileBytes: null, openFiles: null };

/** Turns checked arguments into the process to start. Everything that can be decided before a call is. */
export class ProcessPlan {
  private readonly templates: readonly Template[];
  private readonly head: readonly string[];
  private readonly paramEnv: readonly (readonly [string, string])[];
  private readonly secretEnv: readonly (readonly [string, string])[];
  private readonly stdinName: string | undefined;
  private readonly fileNames: readonly string[];
  private readonly limits: ResourceLimits;

  constructor(private readonly source: ProcessPlanSource) {
    const { declaration, name } = source;
    const { script, env, stdin, params } = declaration;
    this.head = script ? scriptHead(script.interpreter, script.text, name) : [];
    this.templates = templatesOf(declaration);
    this.paramEnv = Object.entries(env).flatMap(([variable, text]) => {
      const param = parsePlaceholder(text);
      return param === undefined ? [] : [[variable, param] as const];
    });
    this.secretEnv = secretVariables(declaration);
    this.stdinName = stdin === undefined ? secretOnStdin(declaration) : parsePlaceholder(stdin);
    this.limits = limitsOf(declaration, source.sandbox);
    const fileParams = Object.keys(params).filter((param) => params[param] && goesToFile(params[param]));
    this.fileNames = [...fileParams, ...secretFiles(declaration)];
  }

  /**
   * @param values of the params, and of the command's secrets
   * @throws GatewayError `invalid_arguments` when argv and environment are larger than a process can be given
   */
  invocation(values: CheckedArguments): ProcessInvocation {
    const { file, cwd, env, sandbox } = this.source;
    const textOf = (name: string) => this.textOf(name, values);
    const argv = [...this.head];
    fill(
      this.templates,
      (name) => (this.fileNames.includes(name) ? this.placeholderOf(name, values) : textOf(name)),
      (name) => holds(values[name]),
      argv,
    );
    const given = [...this.paramEnv, ...this.secretEnv].flatMap(([variable, name]) => {
      const text = textOf(name);
      return text === undefined ? [] : [[variable, text] as const];
    });
    const wholeEnv = given.length === 0 ? env : { ...env, ...Object.fromEntries(given) };
    checkSizes(argv, wholeEnv);
    return {
      kind: 'process',
      file,
      argv,
      env: wholeEnv,
      cwd,
      stdin: this.stdinName === undefined ? null : (textOf(this.stdinName) ?? null),
      files: this.fileNames.flatMap((name) => {
        const content = textOf(name);
        return content === undefined ? [] : [{ placeholder: fileMark(name), content }];
      }),
      sandbox,
      limits: this.limits,
    };
  }

  /** What of it came from the caller, or stands beside that: nothing for a command without params. The text of a script was looked at when it was loaded. */
  inspected({ argv, env, stdin, files }: ProcessInvocation): readonly string[] {
    if (Object.keys(this.source.declaration.params).length === 0) return [];
    const own = argv.slice(this.head.length);
    // An argument of several words may be a whole command of its own.
    const given = [
      [own.join(' '), ...own.filter((element) => element.includes(' '))].join('\n'),
      ...this.paramEnv.map(([variable]) => env[variable]),
      stdin,
      ...files.map(({ content }) => content),
    ];
    return given.filter((text): text is string => typeof text === 'string' && text !== '');
  }

  private textOf(name: string, values: CheckedArguments): string | undefined {
    const [value, param] = [values[name], this.source.declaration.params[name]];
    if (value === undefined) return undefined;
    if (param) return typeOf(param).render(value, param);
    // A secret of the gateway: text as it was set.
    return typeof value === 'string' ? value : undefined;
  }

  private placeholderOf(name: string, values: CheckedArguments): string | undefined {
    return values[name] === undefined ? undefined : fileMark(name);
  }
}

/** Stands for the path of a private file. The NUL in it keeps it apart from every argument there can be. */
function fileMark(name: string): string {
  return `\0{${name}}`;
}

function limitsOf({ limits }: CommandDeclaration, { profile }: Sandbox): ResourceLimits {
  const usual = profile === 'host' ? NO_LIMITS : CONTAINED_LIMITS;
  return {
    cpuSeconds: limits.cpu === undefined ? usual.cpuSeconds : Math.ceil(limits.cpu / 1000),
    memoryBytes: limits.memory ?? usual.memoryBytes,
    processes: limits.processes ?? usual.processes,
    fileBytes: limits.file ?? usual.fileBytes,
    openFiles: limits.openFiles ?? usual.openFiles,
  };
}

function holds(value: unknown): boolean {
  return value !== undefined && value !== false;
}

function checkSizes(argv: readonly string[], env: Readonly<Record<string, string>>): void {
  let total = 0;
  for (const element of argv) total += sizeOf(element);
  for (const name in env) total += sizeOf(`${name}=${env[name]}`);
  if (total > MOST_BYTES_OF_ALL) throw invalidArguments([{ path: '', message: 'are too large together for a process' }]);
}

function sizeOf(text: string): number {
  const bytes = Buffer.byteLength(text);
  if (bytes > MOST_BYTES_OF_ONE) throw invalidArguments([{ path: '', message: 'one of them is too large for a process' }]);
  return bytes + 1;
}
