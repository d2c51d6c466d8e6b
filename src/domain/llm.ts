/** What a call of a language model took, as its provider says. Null where it does not say, or no price is set. */
export interface ModelUsage {
  readonly provider: string;
  readonly model: string;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** In the currency of the prices in the settings. */
  readonly cost: number | null;
  /** Tokens that count against budgets: those that the provider says, else an estimate. */
  readonly counted: number;
}

/** One message of a conversation. Instructions come from whoever declared the command; what callers give is data in the last one. */
export interface ChatMessage {
  readonly role: 'system' | 'user';
  readonly content: string;
}

/** A command that a model asks to be run, under the name by which it knows it. */
export interface ToolCall {
  /** The model's own name for this call. */
  readonly id: string;
  readonly name: string;
  /** JSON, as far as the model can write it. */
  readonly arguments: string;
}

/** What is said in the course of a conversation: also by the model, and by what it asked to be run. */
export type ConversationMessage =
  | ChatMessage
  | { readonly role: 'assistant'; readonly content: string; readonly toolCalls: readonly ToolCall[] }
  | { readonly role: 'tool'; readonly content: string; readonly callId: string };

/** What a model may ask to be run. */
export interface ChatTool {
  /** Letters, digits, `_` and `-`, at most 64. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** A question that is complete in itself. */
export interface Question extends Omit<ChatRequest, 'messages' | 'tools'> {
  readonly messages: readonly ChatMessage[];
}

/** What is asked of a model. */
export interface ChatRequest {
  /** Undefined: the first that is configured. */
  readonly provider?: string | undefined;
  /** Undefined: the one that the settings name for the provider. */
  readonly model?: string | undefined;
  readonly messages: readonly ConversationMessage[];
  /** None unless given. */
  readonly tools?: readonly ChatTool[] | undefined;
  readonly maxTokens: number;
  readonly temperature?: number | undefined;
  /** JSON Schema of the answer. */
  readonly schema?: Readonly<Record<string, unknown>> | undefined;
}

/** The outcomes of a call, as the metrics have them. */
export const CHAT_OUTCOMES = ['answered', 'refused', 'failed', 'unreadable', 'ended'] as const;
export type ChatOutcome = (typeof CHAT_OUTCOMES)[number];

/** Sums what several calls of one run took. */
export function addUsage(before: ModelUsage | undefined, more: ModelUsage): ModelUsage {
  if (!before) return more;
  const sum = (a: number | null, b: number | null) => (a === null && b === null ? null : (a ?? 0) + (b ?? 0));
  return {
    provider: more.provider,
    model: more.model,
    inputTokens: sum(before.inputTokens, more.inputTokens),
    outputTokens: sum(before.outputTokens, more.outputTokens),
    cost: sum(before.cost, more.cost),
    counted: before.counted + more.counted,
  };
}
