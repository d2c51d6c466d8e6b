import type { Invocation, LlmInvocation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { Executor, type ExecutionContext, type ExecutionEnd } from '../domain/executor.js';
import { readAnswer } from '../llm/answer-schema.js';
import type { ChatEnd, LlmClient } from '../llm/llm-client.js';
import { causeOf } from '../outgoing/failure-cause.js';
import { describeChat } from './chat-span.js';
import { CappedWriter } from './capped-writer.js';

/**
 * Asks a language model, once. Its answer is stdout: piece by piece, or whole; with a schema as one line of JSON that fits it. The last line of
 * stderr is JSON: `{provider, model, inputTokens, outputTokens, cost, counted}`.
 */
export class LlmExecutor extends Executor {
  override readonly kind = 'llm';

  constructor(private readonly client: LlmClient) {
    super();
  }

  override async execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd> {
    if (invocation.kind !== 'llm') throw new GatewayError('internal', 'This executor asks language models only.');
    const writer = new CappedWriter(context);
    const onText = invocation.stream ? (text: string) => writer.write('stdout', text) : undefined;
    const end = await this.client.chat(invocation.chat, { signal: context.signal, onText });
    const told = tell(end, invocation, writer, context);
    tellUsage(end, writer, context);
    return told;
  }
}

function tell(end: ChatEnd, { chat, stream }: LlmInvocation, writer: CappedWriter, context: ExecutionContext): ExecutionEnd {
  if (end.kind !== 'answered') return tellFailure(end, writer, context);
  if (end.isCut) context.onTruncated();
  if (chat.schema === undefined) {
    if (!stream) writer.write('stdout', end.text);
    return ANSWERED;
  }
  const read = readAnswer(end.text, chat.schema);
  if (!read) return tellFailure({ kind: 'unfit' }, writer, context);
  writer.write('stdout', `${JSON.stringify(read.value)}\n`);
  return ANSWERED;
}

export const ANSWERED: ExecutionEnd = { kind: 'answered', status: 200, expected: true };

/** What the model took: for the trace, as a line of JSON on stderr, and for the run. */
export function tellUsage({ usage }: ChatEnd, writer: CappedWriter, context: ExecutionContext): void {
  describeChat(context.span, usage);
  writer.write('stderr', `${JSON.stringify(usage)}\n`);
  context.onUsage?.(usage);
}

type Failure = Exclude<ChatEnd, { kind: 'answered' }> | { readonly kind: 'unfit' };

/** What went wrong: in words for the caller, as a cause for whoever tries again, as an end. */
export function tellFailure(failure: Failure, writer: CappedWriter, context: ExecutionContext): ExecutionEnd {
  switch (failure.kind) {
    case 'refused': {
      const { status, retryAfterMs } = failure;
      writer.write('stderr', `The language model answers with status ${status}.\n`);
      context.onFailure?.({ kind: 'status', status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
      return { kind: 'answered', status, expected: false };
    }
    case 'failed':
      context.onFailure?.(causeOf(failure));
      return { kind: 'unanswered', fault: failure.fault, sent: failure.sent };
    case 'unreadable':
    case 'unfit':
      writer.write('stderr', WORDS[failure.kind]);
      context.onFailure?.({ kind: 'lost' });
      return { kind: 'unanswered', fault: 'unreadable', sent: true };
  }
}

const WORDS = {
  unreadable: 'What came is no answer of a language model.\n',
  unfit: 'The answer does not fit its schema.\n',
};
