import type { ServerResponse } from 'node:http';
import { type Behaviour, Peer, type Received } from './peer.js';

/** What a client asked for, as OpenAI's chat completions have it. */
export interface ChatAsked {
  readonly model: string;
  readonly messages: readonly {
    readonly role: string;
    readonly content: string;
    readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string; readonly arguments: string } }[];
    readonly tool_call_id?: string;
  }[];
  readonly tools?: readonly {
    readonly type: string;
    readonly function: { readonly name: string; readonly description: string; readonly parameters: unknown };
  }[];
  readonly stream: boolean;
  readonly stream_options?: { readonly include_usage: boolean };
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly temperature?: number;
  readonly response_format?: { readonly type: string; readonly json_schema: { readonly schema: unknown } };
}

export function askedOf({ body }: Received): ChatAsked {
  return JSON.parse(body) as ChatAsked;
}

const USAGE = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 };
const HEAD = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'peer-model-2026-01-01', system_fingerprint: 'fp_1' };

/** One event of a stream, as the wire has it. */
export function event(data: unknown): string {
  return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

export function chunk(delta: object, finish: string | null = null): object {
  return { ...HEAD, object: 'chat.completion.chunk', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] };
}

/** Answers with these pieces of text, streamed or whole as it was asked; the usage comes last, with no choice, and only when asked for. */
export function says(pieces: readonly string[], finish = 'stop'): Behaviour {
  return (response, received) => {
    const asked = askedOf(received);
    if (!asked.stream) return whole(response, pieces.join(''), finish);
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(': a comment keeps the line open\n\n');
    response.write(event(chunk({ role: 'assistant', content: '' })));
    for (const piece of pieces) response.write(event(chunk({ content: piece })));
    response.write(event(chunk({}, finish)));
    if (asked.stream_options?.include_usage) response.write(event({ ...HEAD, object: 'chat.completion.chunk', choices: [], usage: USAGE }));
    response.end(event('[DONE]'));
  };
}

/** What a model asks to be run, and with which arguments (JSON). */
export type AskedTool = readonly [name: string, args: string];

/** Asks for tools, in pieces as OpenAI sends them: id and name first, then the arguments bit by bit. */
export function wants(...tools: readonly AskedTool[]): Behaviour {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event(chunk({ role: 'assistant', content: null })));
    for (const [index, [name, args]] of tools.entries()) {
      const piece = (more: object) => response.write(event(chunk({ tool_calls: [{ index, ...more }] })));
      piece({ id: `call_${index}_${name}`, type: 'function', function: { name, arguments: '' } });
      for (const bit of args.match(/.{1,5}/gs) ?? []) piece({ function: { arguments: bit } });
    }
    response.write(event(chunk({}, 'tool_calls')));
    response.write(event({ ...HEAD, object: 'chat.completion.chunk', choices: [], usage: USAGE }));
    response.end(event('[DONE]'));
  };
}

/** The same in one piece. */
export function wantsWhole(...tools: readonly AskedTool[]): Behaviour {
  return (response) => {
    const calls = tools.map(([name, args], index) => ({ id: `call_${index}`, type: 'function', function: { name, arguments: args } }));
    const choices = [{ index: 0, message: { role: 'assistant', content: null, tool_calls: calls }, finish_reason: 'tool_calls' }];
    json(response, 200, { ...HEAD, object: 'chat.completion', choices, usage: USAGE });
  };
}

/** One behaviour for each call, in order; the last one for all that follow. */
export function inTurn(...behaviours: readonly Behaviour[]): Behaviour {
  let next = 0;
  return (response, received) => behaviours[Math.min(next++, behaviours.length - 1)]?.(response, received);
}

function whole(response: ServerResponse, content: string, finish: string): void {
  const message = { role: 'assistant', content, refusal: null };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finish }];
  json(response, 200, { ...HEAD, object: 'chat.completion', choices, usage: USAGE });
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** A refusal with OpenAI's body of an error. */
export function refuses(status: number, headers: Record<string, string> = {}): Behaviour {
  return (response) => json(response, status, { error: { message: 'the account of Ada is empty', type: 'x', code: null } }, headers);
}

/** A local service that speaks chat completions, and settings that name it. */
export async function startLlm(behave: Behaviour = says(['Hello', ', ', 'you.'])) {
  const peer = await Peer.start(behave);
  const key = `peer-${'0123456789abcdef'.repeat(2)}`;
  const settings = { LLM_URL: `${peer.url}/v1`, LLM_KEY: key, LLM_MODEL: 'peer-model', OUTGOING_PRIVATE_RANGES: '127.0.0.1' };
  return { peer, key, settings };
}
