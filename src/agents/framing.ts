import { z } from 'zod';
import type { AgentFraming } from '../domain/agent-rules.js';
import type { RunId } from '../domain/run.js';

/** What a line of a program says to the instruction that is under way; or that it is none of its business. */
export type Reading =
  | { readonly kind: 'answer'; readonly output: string | Buffer; readonly isEnd: boolean }
  | { readonly kind: 'failure'; readonly error: string }
  | { readonly kind: 'noise' }
  /** It was to be one of the above, and is nothing that the framing knows. */
  | { readonly kind: 'malformed' };

/** An answer of a program, as JSON has it. Fields that we do not know are the program's own. */
const answerLine = z
  .object({ id: z.string(), output: z.unknown(), error: z.unknown(), done: z.boolean().default(false) })
  .partial({ output: true, error: true })
  .refine(({ output, error, done }) => done || output !== undefined || error !== undefined);

const NOISE: Reading = { kind: 'noise' };
const MALFORMED: Reading = { kind: 'malformed' };

/** An instruction as a line for the program. */
export function encodeInstruction({ kind }: AgentFraming, id: RunId, text: string): Buffer {
  return Buffer.from(kind === 'json' ? `${JSON.stringify({ id, instruction: text })}\n` : `${text}\n`);
}

/** What makes a text no line, where it must be one; undefined when it is. */
export function lineMistake({ kind }: AgentFraming, text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain NUL';
  return kind === 'line' && /[\r\n]/.test(text) ? 'expected one line: this agent reads line by line' : undefined;
}

/** @param isWhole false for a piece of a line that is longer than any answer may be */
export function readLine(framing: AgentFraming, id: RunId | undefined, data: Buffer, isWhole: boolean): Reading {
  if (framing.kind === 'json') return isWhole ? readJson(id, data.toString()) : MALFORMED;
  if (id === undefined) return NOISE;
  if (framing.terminator === null) return { kind: 'answer', output: data, isEnd: data.at(-1) === 10 };
  const isEnd = isWhole && data.toString().replace(/\r?\n$/, '') === framing.terminator;
  return { kind: 'answer', output: isEnd ? '' : data, isEnd };
}

function readJson(id: RunId | undefined, text: string): Reading {
  const parsed = answerLine.safeParse(parse(text));
  if (!parsed.success) return text.trim() === '' ? NOISE : MALFORMED;
  const { data } = parsed;
  // Of an instruction that is over: a late answer is nobody's.
  if (data.id !== id) return NOISE;
  if (data.error !== undefined) return { kind: 'failure', error: textOf(data.error) };
  return { kind: 'answer', output: data.output === undefined ? '' : textOf(data.output), isEnd: data.done };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not JSON: malformed, as anything else that is no answer.
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
