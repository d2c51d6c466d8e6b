import type { LlmProvider } from '../config/llm-providers.js';
import type { ChatOutcome, ChatRequest, ModelUsage, ToolCall } from '../domain/llm.js';
import type { CallFault } from '../domain/outgoing.js';
import { CallFailure } from '../outgoing/call-failure.js';
import { waitOf } from '../outgoing/failure-cause.js';
import type { OutgoingAnswer } from '../outgoing/outgoing-call.js';
import type { OutgoingClient } from '../outgoing/outgoing-client.js';
import { clientFor } from '../outgoing/service-client.js';
import { type ChatText, readChat, UnreadableAnswer } from './chat-reader.js';
import { requestBody, type WireUsage } from './chat-wire.js';
import { estimatedTokens } from './token-estimate.js';

/** Whoever asks bounds the whole by its signal, and each wait in it. */
const LIMITS = { connectMs: 10_000, headersMs: 0, idleMs: 0, totalMs: 0, responseBytes: 16 * 1024 ** 2, redirects: 0 };
const TOKENS_PER_PRICE = 1_000_000;

/** How a call ended. `usage` names the model in any case. */
export type ChatEnd = { readonly usage: ModelUsage } &
  /** With tool calls the conversation goes on: only where tools were offered are there any. */
  (
    | { readonly kind: 'answered'; readonly text: string; readonly toolCalls: readonly ToolCall[]; readonly isCut: boolean }
    /** With another status than 2xx. */
    | { readonly kind: 'refused'; readonly status: number; readonly retryAfterMs?: number }
    /** What came is no answer of a model. */
    | { readonly kind: 'unreadable' }
    | { readonly kind: 'failed'; readonly fault: CallFault; readonly sent: boolean }
  );

export interface ChatOptions {
  /** Ends the call. */
  readonly signal: AbortSignal;
  /** Wants the answer piece by piece, and is given it so if the provider does that. */
  readonly onText?: ((text: string) => void) | undefined;
}

/** A provider, and what its last call showed: null before the first one. */
interface Known {
  readonly settings: LlmProvider;
  readonly client: OutgoingClient;
  reached: boolean | null;
}

/** What to set, for whoever asks for a model where there is none. */
export const LLM_NOT_CONFIGURED = 'No language model is configured: an operator has to set LLM_URL and LLM_MODEL, or LLM_PROVIDERS.';

/** Asks language models that speak OpenAI's chat completions. Asks nobody by itself. */
export class LlmClient {
  private readonly known: ReadonlyMap<string, Known>;

  /**
   * @param privateRanges where a provider may be although it is not public
   * @param onCall told of each call that ended
   */
  constructor(
    providers: ReadonlyMap<string, LlmProvider>,
    privateRanges: readonly string[],
    private readonly onCall: (outcome: ChatOutcome, usage: ModelUsage) => void,
  ) {
    this.known = new Map(
      [...providers].map(([name, settings]) => [name, { settings, client: clientFor(settings.url, privateRanges, LIMITS), reached: null }]),
    );
  }

  get isConfigured(): boolean {
    return this.known.size > 0;
  }

  /** What is known of each provider from its last call; null: it was not called yet. */
  get reached(): readonly (readonly [name: string, reached: boolean | null])[] {
    return [...this.known].map(([name, { reached }]) => [name, reached]);
  }

  /** Whether there is such a provider; without a name, any. */
  has(name: string | undefined): boolean {
    return name === undefined ? this.isConfigured : this.known.has(name);
  }

  /**
   * Asks once. Rejects for nothing that the provider does.
   * @param request of a provider that there is
   */
  async chat(request: ChatRequest, options: ChatOptions): Promise<ChatEnd> {
    const name = request.provider ?? [...this.known.keys()][0] ?? '';
    const known = this.known.get(name);
    if (!known) throw new Error('a provider that is not configured was asked');
    const model = request.model ?? known.settings.model;
    const into: ChatText = { text: '', toolCalls: [], usage: null, finish: null };
    const result = await this.exchange(known, { ...request, model }, into, options);
    const usage = usageOf({ name, model, settings: known.settings }, into.usage);
    const end: ChatEnd = { ...result, usage: { ...usage, counted: countedTokens(usage, result, request, into) } };
    if (end.kind !== 'failed') known.reached = true;
    else if (end.fault !== 'ended') known.reached = end.sent && end.fault !== 'timeout';
    this.onCall(outcomeOf(end), end.usage);
    return end;
  }

  private async exchange(
    { settings, client }: Known,
    request: ChatRequest & { readonly model: string },
    into: ChatText,
    { signal, onText }: ChatOptions,
  ): Promise<Unmeasured> {
    const stream = onText !== undefined;
    try {
      const answer = await client.call({
        method: 'POST',
        url: addressOf(settings, 'chat/completions'),
        headers: headersOf(settings, stream),
        body: requestBody(request, { model: request.model, limit: settings.limit }, stream),
        signal,
      });
      if (answer.status < 200 || answer.status > 299) return await refusal(answer);
      await readChat(answer, into, onText ?? (() => undefined));
      // By number, of which a model may leave some out.
      const toolCalls = into.toolCalls.filter(({ name }) => name !== '');
      if (!request.tools && toolCalls.length > 0) return { kind: 'unreadable' };
      return { kind: 'answered', text: into.text, toolCalls, isCut: into.finish === 'length' };
    } catch (error) {
      if (error instanceof UnreadableAnswer) return { kind: 'unreadable' };
      if (error instanceof CallFailure) return { kind: 'failed', fault: error.fault, sent: error.sent };
      throw error;
    }
  }
}

type Unmeasured = ChatEnd extends infer End ? (End extends ChatEnd ? Omit<End, 'usage'> : never) : never;

export function addressOf({ url }: LlmProvider, path: string): string {
  return `${url.replace(/\/+$/, '')}/${path}`;
}

export function headersOf({ key }: LlmProvider, stream: boolean): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    accept: stream ? 'text/event-stream, application/json' : 'application/json',
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
}

/** Its body is not read: it may repeat what was asked, or tell of the operator's account. */
async function refusal({ status, headers, discard }: OutgoingAnswer): Promise<Unmeasured> {
  await discard();
  return { kind: 'refused', status, ...waitOf(headers) };
}

export function usageOf(
  { name, model, settings }: { readonly name: string; readonly model: string; readonly settings: LlmProvider },
  usage: WireUsage | null,
): Omit<ModelUsage, 'counted'> {
  if (!usage) return { provider: name, model, inputTokens: null, outputTokens: null, cost: null };
  const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = usage;
  const prices = Object.hasOwn(settings.prices, model) ? settings.prices[model] : undefined;
  const cost = prices ? (inputTokens * prices.input + outputTokens * prices.output) / TOKENS_PER_PRICE : null;
  return { provider: name, model, inputTokens, outputTokens, cost };
}

/** What was asked for may have been paid for, whatever came back: only a call that was refused or never sent took nothing. */
function countedTokens(
  { inputTokens, outputTokens }: Omit<ModelUsage, 'counted'>,
  end: Unmeasured,
  { messages }: ChatRequest,
  { text, toolCalls }: ChatText,
): number {
  if (inputTokens !== null && outputTokens !== null) return inputTokens + outputTokens;
  if (end.kind === 'refused' || (end.kind === 'failed' && !end.sent)) return 0;
  return estimatedTokens([...messages.map(({ content }) => content), text, ...toolCalls.map(({ arguments: given }) => given)]);
}

function outcomeOf(end: ChatEnd): ChatOutcome {
  return end.kind === 'failed' && end.fault === 'ended' ? 'ended' : end.kind;
}
