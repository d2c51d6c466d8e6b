import type { CheckedArguments, Invocation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { ENDED_BEFORE_START, Executor, type ExecutionContext, type ExecutionEnd } from '../domain/executor.js';
import { CappedWriter } from './capped-writer.js';

/** A command carried out inside the gateway: writes text to stdout, ends early when `signal` says so. Quick, or asynchronous. */
export type BuiltinFunction = (args: CheckedArguments, context: BuiltinContext) => void | Promise<void>;

export interface BuiltinContext {
  readonly signal: AbortSignal;
  readonly write: (text: string) => void;
}

const BUILTINS: Readonly<Record<string, BuiltinFunction>> = {
  greet: ({ name }, { write }) => write(typeof name === 'string' && name !== '' ? `Hello, ${name}.\n` : 'Hello.\n'),
};

/** What a `builtin` command may name; a catalogue that names another does not load. */
export const BUILTIN_NAMES: ReadonlySet<string> = new Set(Object.keys(BUILTINS));

const SUCCEEDED: ExecutionEnd = { kind: 'exited', code: 0 };

/** Calls a function of its table. A function that throws is a mistake of ours: the error passes through. */
export class BuiltinExecutor extends Executor {
  override readonly kind = 'builtin';
  override readonly instant = true;

  constructor(private readonly builtins: Readonly<Record<string, BuiltinFunction>> = BUILTINS) {
    super();
  }

  override async execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd> {
    if (invocation.kind !== 'builtin') throw new GatewayError('internal', 'This executor carries out builtin commands only.');
    const builtin = Object.hasOwn(this.builtins, invocation.name) ? this.builtins[invocation.name] : undefined;
    if (!builtin) throw new GatewayError('internal', 'The catalogue names a builtin that does not exist.');
    if (context.signal.aborted) return ENDED_BEFORE_START;
    const writer = new CappedWriter(context);
    const working = builtin(invocation.args, { signal: context.signal, write: (text) => writer.write('stdout', text) });
    if (working) await working;
    return SUCCEEDED;
  }
}
