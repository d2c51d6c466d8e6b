import { basename } from 'node:path';
import type { Invocation, ProcessInvocation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { ENDED_BEFORE_START, Executor, type ExecutionContext, type ExecutionEnd } from '../domain/executor.js';
import type { Launcher } from '../domain/launcher.js';
import type { Span } from '../domain/tracing.js';
import { spanOf } from './own-span.js';
import { writePrivateFiles, type PrivateFiles } from './private-files.js';

export interface ProcessExecutorOptions {
  /** Between TERM and KILL when a run is ended from outside. */
  readonly killGraceMs: number;
  /** Where the folders for private files are made. */
  readonly privateFolder: string;
}

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
    if (context.span.isRecording) nameSpan(context.span, basename(invocation.file));
    let files: PrivateFiles;
    try {
      files = await writePrivateFiles(invocation, this.options.privateFolder);
    } catch (error) {
      return { kind: 'failed_to_start', reason: `the private files could not be written (${(error as NodeJS.ErrnoException).code})` };
    }
    try {
      // Looked at once more after waiting, be it for nothing: whoever left while the intent was recorded is known to be gone only now.
      return context.signal.aborted ? ENDED_BEFORE_START : await this.run({ ...invocation, argv: files.argv }, files.folder, context);
    } finally {
      await files.remove();
    }
  }

  private async run(invocation: ProcessInvocation, privateFolder: string | null, context: ExecutionContext): Promise<ExecutionEnd> {
    const { promise, resolve } = Promise.withResolvers<ExecutionEnd>();
    let killing: NodeJS.Timeout | undefined;
    const { kind: _kind, files: _files, env, ...rest } = invocation;
    const stdin = context.input ?? invocation.stdin;
    const launched = this.launcher.launch(
      { ...rest, stdin, env: { ...env, TRACEPARENT: spanOf(context) }, privateFolder, outputBytes: context.outputBytes },
      {
        onStarted: (pid) => context.span.set({ 'process.pid': pid }),
        onOutput: (stream, data) => context.onOutput(stream, data),
        onTruncated: () => context.onTruncated(),
        onEnd: resolve,
      },
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

/** As OpenTelemetry's conventions for command lines have it. Arguments are nobody's business. */
function nameSpan(span: Span, name: string): void {
  span.rename(name);
  span.set({ 'process.executable.name': name });
}
