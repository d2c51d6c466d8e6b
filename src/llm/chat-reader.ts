import { createParser } from 'eventsource-parser';
import { CallFailure } from '../outgoing/call-failure.js';
import type { ToolCall } from '../domain/llm.js';
import type { OutgoingAnswer } from '../outgoing/outgoing-call.js';
import { chunkSchema, completionSchema, DONE, type ToolCallPiece, type WireUsage } from './chat-wire.js';

/** An answer so far. */
export interface ChatText {
  text: string;
  toolCalls: ToolCall[];
  usage: WireUsage | null;
  /** Why it ended, in the provider's word; null while it has not. */
  finish: string | null;
}

/** What came is no chat completion. */
export class UnreadableAnswer extends Error {
  override readonly name = 'UnreadableAnswer';
}

/**
 * Reads an answer in either form, as its media type says: in one piece, or as events.
 * @param into what has been read, also when this rejects
 * @throws UnreadableAnswer; CallFailure, with `cut_off` also for events that end before the answer does
 */
export async function readChat(answer: OutgoingAnswer, into: ChatText, onText: (text: string) => void): Promise<void> {
  const type = mediaTypeOf(answer);
  if (type === 'text/event-stream') return readEvents(answer, into, onText);
  if (type === 'application/json') return readWhole(answer, into, onText);
  await answer.discard();
  throw new UnreadableAnswer('the media type is none of a chat completion');
}

function mediaTypeOf({ headers }: OutgoingAnswer): string {
  return (headers['content-type']?.toString() ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

async function readWhole({ body }: OutgoingAnswer, into: ChatText, onText: (text: string) => void): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  const read = completionSchema.safeParse(jsonOf(Buffer.concat(pieces).toString()));
  if (!read.success) throw new UnreadableAnswer('the answer is no chat completion');
  const [{ message, finish_reason: finish }] = read.data.choices;
  const text = message.content ?? '';
  const toolCalls = (message.tool_calls ?? []).map(({ id, function: { name, arguments: given } }) => ({ id, name, arguments: given }));
  Object.assign(into, { text, toolCalls, usage: read.data.usage ?? null, finish: finish ?? 'stop' });
  if (text !== '') onText(text);
}

async function readEvents({ body, discard }: OutgoingAnswer, into: ChatText, onText: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let [isDone, isBroken] = [false, false];
  const parser = createParser({
    onEvent: ({ data }) => {
      if (isDone || isBroken) return;
      if (data === DONE) isDone = true;
      else isBroken = !takeChunk(data, into, onText);
    },
  });
  try {
    for await (const piece of body) {
      parser.feed(decoder.decode(piece, { stream: true }));
      if (isDone || isBroken) break;
    }
  } catch (error) {
    // All of the text had come.
    if (!(error instanceof CallFailure) || error.fault !== 'cut_off' || into.finish === null) throw error;
  }
  await discard();
  if (isBroken) throw new UnreadableAnswer('an event holds no piece of a chat completion');
  if (into.finish === null && !isDone) throw new CallFailure('cut_off', true);
}

function takeChunk(data: string, into: ChatText, onText: (text: string) => void): boolean {
  const read = chunkSchema.safeParse(jsonOf(data));
  if (!read.success) return false;
  const [choice] = read.data.choices;
  if (read.data.usage) into.usage = read.data.usage;
  if (choice?.finish_reason) into.finish = choice.finish_reason;
  const text = choice?.delta?.content ?? '';
  into.text += text;
  for (const piece of choice?.delta?.tool_calls ?? []) takeCallPiece(piece, into);
  if (text !== '') onText(text);
  return true;
}

function takeCallPiece({ index, id, function: called }: ToolCallPiece, { toolCalls }: ChatText): void {
  const at = index ?? toolCalls.length;
  const before = toolCalls[at] ?? { id: '', name: '', arguments: '' };
  const [name, given] = [called?.name ?? '', called?.arguments ?? ''];
  toolCalls[at] = { id: id ?? before.id, name: before.name + name, arguments: before.arguments + given };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
