import type { CheckedArguments, ConversationInvocation, LlmInvocation } from '../domain/command.js';
import { schemaMistake } from '../llm/answer-schema.js';
import { delimitersFor, type Named } from '../llm/delimited.js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import { fillText, namesIn, parseText } from './http-templates.js';
import type { LlmSection } from './llm-schema.js';

/** Every mistake of a command that asks a language model. */
export function llmRule({ llm, params, agent }: CommandDeclaration): readonly Finding[] {
  if (!llm) return [];
  const at = (message: string, ...path: string[]): Finding => ({ path: ['llm', ...path], message });
  const out: Finding[] = [];
  if (agent && llm.prompt !== undefined) out.push(at('has no meaning for a conversation: its instructions are the questions', 'prompt'));
  if (!agent && llm.prompt === undefined) out.push(at('expected a question', 'prompt'));
  const used = namesIn(llm.prompt ?? '');
  for (const name of used) if (!Object.hasOwn(params, name)) out.push(at(`there is no param of the name ${name}`, 'prompt'));
  for (const name of Object.keys(params)) if (!used.includes(name)) out.push({ path: ['params', name], message: 'is never used' });
  if (namesIn(llm.system).length > 0) out.push(at('takes no params: what callers give is data, and has its place in the prompt', 'system'));
  const mistake = llm.schema && schemaMistake(llm.schema);
  if (mistake !== undefined) out.push(at(mistake, 'schema'));
  if (llm.schema && llm.stream) out.push(at('an answer with a schema is shown when it is whole and fits', 'stream'));
  return out;
}

/** How a conversation begins. */
export function conversationInvocation({ provider, model, system, maxTokens, temperature }: LlmSection): ConversationInvocation {
  const messages = system === undefined ? [] : [{ role: 'system', content: system } as const];
  return { kind: 'conversation', opening: { provider, model, maxTokens, temperature, messages } };
}

/** Where in the prompt callers' values stand is the author's; what they say is marked as data, and never among the instructions. */
export function llmInvocation({ prompt = '', system, schema, stream, audit, ...asked }: LlmSection, args: CheckedArguments): LlmInvocation {
  const values = namesIn(prompt).flatMap((name): Named[] => (args[name] === undefined ? [] : [[name, textOf(args[name])]]));
  const texts = new Map(values);
  const marks = delimitersFor(values);
  const filled = fillText(parseText(prompt), (name) => (texts.has(name) ? marks.around(name, texts.get(name) ?? '') : ''));
  const rules = [system, values.length > 0 ? marks.rule : undefined, schema && `${JSON_ONLY}\n${JSON.stringify(schema)}`];
  const instructions = rules.filter((rule) => rule !== undefined).join('\n\n');
  return {
    kind: 'llm',
    chat: {
      ...asked,
      schema,
      messages: [
        ...(instructions === '' ? [] : [{ role: 'system', content: instructions } as const]),
        { role: 'user', content: filled ?? '' },
      ],
    },
    stream: stream ?? schema === undefined,
    isAudited: audit === 'prompt',
  };
}

const JSON_ONLY = 'Answer with one JSON value that fits this JSON Schema, and with nothing else:';

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
