import type { Invocation, ProcessInvocation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { Executor, type ExecutionContext, type ExecutionEnd } from '../domain/executor.js';
import type { Launcher } from '../domain/launcher.js';
import { randomHex } from '../http/random-pool.js';
import { writePrivateFiles, type PrivateFiles } from './private-files.js';

export interface ProcessExecutorOptions {
  /** Between TERM and KILL when a run is ended from outside. */
  readonly killGraceMs: number;
  /** Where the folders for private files are made. */
  readonly privateFolder: string;
}

const ENDED_BEFORE_START: ExecutionEnd = { kind: 'failed_to_start', reason: 'the run was ended before its start' };

/** Runs a program: argv to argv, no shell, an environment built from nothing, a process group of its own. */
export class ProcessExecutor extends Executor {
  override readonly kind = 'process';

  constructor(
    private readonly launcher: Launcher,
    private readonly options: ProcessExecutorOptions,
  ) {
    super();
  }

  /** @throws GatewayError `executor_unavailable` when no executor host lives */
  override async execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd> {
    if (invocation.kind !== 'process') throw new GatewayError('internal', 'This executor carries out programs only.');
    if (context.signal.aborted) return ENDED_BEFORE_START;
    let files: PrivateFiles;
    try {
      files = await writePrivateFiles(invocation, this.options.privateFolder);
    } catch (error) {
      return { kind: 'failed_to_start', reason: `the private files could not be written (${(error as NodeJS.ErrnoException).code})` };
    }
    try {
      return context.signal.aborted ? ENDED_BEFORE_START : await this.run({ ...invocation, argv: files.argv }, files.folder, context);
    } finally {
      await files.remove();
    }
  }

  private async run(invocation: ProcessInvocation, privateFolder: string | null, context: ExecutionContext): Promise<ExecutionEnd> {
    const { promise, resolve } = Promise.withResolvers<ExecutionEnd>();
    let killing: NodeJS.Timeout | undefined;
    const { kind: _kind, files: _files, env, ...rest } = invocation;
    const launched = this.launcher.launch(
      { ...rest, env: { ...env, TRACEPARENT: ownSpan(context.traceparent) }, privateFolder, outputBytes: context.outputBytes },
      { onOutput: (stream, data) => context.onOutput(stream, data), onTruncated: () => context.onTruncated(), onEnd: resolve },
    );
    const terminate = () => {
      launched.kill('SIGTERM');
      killing = setTimeout(() => launched.kill('SIGKILL'), this.options.killGraceMs);
    };
    context.signal.addEventListener('abort', terminate, { once: true });
    try {
      return await promise;
    } finally {
      context.signal.removeEventListener('abort', terminate);
      clearTimeout(killing);
    }
  }
}

/** The request's trace with a span of this start's own (W3C Trace Context, 3.2.2.4): no two processes started by us have the same. */
function ownSpan(traceparent: string): string {
  const [version, trace, , flags] = traceparent.split('-');
  return `${version}-${trace}-${randomHex(8)}-${flags}`;
}
