import { z } from 'zod';
import type { LlmProvider } from '../config/llm-providers.js';
import type { ChatRequest, ChatTool, ConversationMessage } from '../domain/llm.js';

/** Of one answer. */
const MOST_CALLS = 127;

const tokens = z.int().min(0);
const usageSchema = z.object({ prompt_tokens: tokens, completion_tokens: tokens });
/** What is not understood of it is as if it were not there. */
const usage = usageSchema.nullish().catch(null);
const finish = z.string().nullish();

const toolCall = z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) });
/** Says something, or asks for something to be run, or both. */
const message = z
  .object({ content: z.string().nullish(), tool_calls: z.array(toolCall).nullish() })
  .refine(({ content, tool_calls: calls }) => typeof content === 'string' || (calls ?? []).length > 0);

/** An answer in one piece (OpenAI: the chat completion object), as far as it is used here. */
export const completionSchema = z.object({ choices: z.tuple([z.object({ message, finish_reason: finish })], z.unknown()), usage });

/** A call comes in pieces too: the first has its id and name, all have some of its arguments. Those without an index begin a new one. */
const toolCallPiece = z.object({
  index: z.int().min(0).max(MOST_CALLS).nullish(),
  id: z.string().nullish(),
  function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
});
export type ToolCallPiece = z.output<typeof toolCallPiece>;

const delta = z.object({ content: z.string().nullish(), tool_calls: z.array(toolCallPiece).nullish() }).nullish();

/** A piece of an answer (OpenAI: the chat completion chunk object). The last one may hold the usage and no choice. */
export const chunkSchema = z.object({
  choices: z.array(z.object({ delta, finish_reason: finish })),
  usage,
});

/** What ends a stream. */
export const DONE = '[DONE]';

export type WireUsage = z.output<typeof usageSchema>;

/** Body of a request to `/chat/completions`. */
export function requestBody(
  { messages, tools = [], maxTokens, temperature, schema }: ChatRequest,
  { model, limit }: Pick<LlmProvider, 'model' | 'limit'>,
  stream: boolean,
): string {
  return JSON.stringify({
    model,
    messages: messages.map(wireMessage),
    ...(tools.length === 0 ? {} : { tools: tools.map(wireTool) }),
    [limit]: maxTokens,
    ...(temperature === undefined ? {} : { temperature }),
    ...(schema ? { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } } : {}),
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : { stream: false }),
  });
}

function wireMessage(said: ConversationMessage): object {
  if (said.role === 'tool') return { role: 'tool', tool_call_id: said.callId, content: said.content };
  if (said.role !== 'assistant' || said.toolCalls.length === 0) return { role: said.role, content: said.content };
  const calls = said.toolCalls.map(({ id, name, arguments: given }) => ({ id, type: 'function', function: { name, arguments: given } }));
  return { role: 'assistant', content: said.content, tool_calls: calls };
}

function wireTool({ name, description, parameters }: ChatTool): object {
  return { type: 'function', function: { name, description, parameters } };
}
