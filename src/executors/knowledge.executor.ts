import type { Invocation, KnowledgeInvocation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { Executor, type ExecutionContext, type ExecutionEnd } from '../domain/executor.js';
import type { Found, KnowledgeBases } from '../knowledge/knowledge-bases.js';
import type { LlmClient } from '../llm/llm-client.js';
import { CappedWriter } from './capped-writer.js';
import { questionAbout, withCitations } from './cited-answer.js';
import { tellFailure } from './llm.executor.js';

/** Progress is told at most so often, so that a large folder does not flood a stream. */
const PROGRESS_MS = 500;

/**
 * Answers from folders of documents. stdout is one line of JSON: `{question, passages: [{path, title, heading, line,
 * score, foundBy, snippet, text}], degraded}`, best first; with a language model's answer also `answer` and `citations: [{number, path, heading, line}]`, null and empty where there is no
 * model, no passage or no answer; or for a refresh the counts of what was `added`, `changed`, `removed`, `unchanged` and `unreadable`, with `documents`, `passages` and
 * `vectors` in all, and what was `embedded`. stderr tells the progress of a refresh. Exit code 1: the folders cannot be read.
 */
export class KnowledgeExecutor extends Executor {
  override readonly kind = 'knowledge';

  constructor(
    private readonly bases: KnowledgeBases,
    private readonly llm: LlmClient,
  ) {
    super();
  }

  override async execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd> {
    if (invocation.kind !== 'knowledge') throw new GatewayError('internal', 'This executor carries out knowledge commands only.');
    const telling = { context, writer: new CappedWriter(context) };
    const { folders, work } = invocation;
    const looking =
      work.kind === 'refresh'
        ? this.refresh({ folders, ...telling }).then((changes) => ({ changes }))
        : this.bases.search(folders, work.question, work.limit, context.signal).then((answer) => ({ work, answer }));
    const found = await looking.catch(() => null);
    if (!found) return unread(telling);
    if ('changes' in found) return said(found.changes, telling.writer);
    if (found.work.kind === 'answer') return this.answer(found.work, found.answer, telling);
    return said({ question: found.work.question, ...found.answer }, telling.writer);
  }

  private refresh({ folders, context: { signal }, writer }: Refreshing): Promise<unknown> {
    let toldAt = -Infinity;
    return this.bases.refresh(folders, signal, ({ step, done, of }) => {
      if (done < of && performance.now() - toldAt < PROGRESS_MS) return;
      toldAt = performance.now();
      writer.write('stderr', `${done} of ${of} ${step === 'read' ? 'documents read' : 'passages embedded'}\n`);
    });
  }

  /** The passages are given in any case: whoever asked may read them. */
  private async answer(work: Answering, { passages, degraded }: Found, { context, writer }: Telling): Promise<ExecutionEnd> {
    const { question, provider, model, maxTokens } = work;
    const bare = { question, answer: null, citations: [], passages, degraded };
    if (passages.length === 0 || !this.llm.has(provider)) return said(bare, writer);
    const messages = questionAbout(passages, question);
    const end = await this.llm.chat({ provider, model, maxTokens, messages }, { signal: context.signal });
    context.onUsage?.(end.usage);
    if (end.kind !== 'answered') {
      said(bare, writer);
      return tellFailure(end, writer, context);
    }
    if (end.isCut) context.onTruncated();
    return said({ question, ...withCitations(end.text, passages), passages, degraded }, writer);
  }
}

type Answering = Extract<KnowledgeInvocation['work'], { readonly kind: 'answer' }>;

interface Telling {
  readonly context: ExecutionContext;
  readonly writer: CappedWriter;
}

interface Refreshing extends Telling {
  readonly folders: KnowledgeInvocation['folders'];
}

/** What ended the run from outside is its outcome. Else: the reason could name a path of this host. */
function unread({ context, writer }: Telling): ExecutionEnd {
  if (!context.signal.aborted) writer.write('stderr', 'The documents cannot be read.\n');
  return { kind: 'exited', code: 1 };
}

function said(answer: unknown, writer: CappedWriter): ExecutionEnd {
  writer.write('stdout', `${JSON.stringify(answer)}\n`);
  return { kind: 'exited', code: 0 };
}
