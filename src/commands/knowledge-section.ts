import { basename } from 'node:path';
import type { CheckedArguments, KnowledgeInvocation } from '../domain/command.js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import { type KnowledgeSection, MOST_PASSAGES } from './knowledge-schema.js';
import { parsePlaceholder } from './templates.js';

const ANSWER_TOKENS = 1_024;

/** Params that the section hands on. */
function paramsOfKnowledge({ search, answer, limit }: KnowledgeSection): readonly string[] {
  return [search, answer, limit].flatMap((text) => (typeof text === 'string' ? (parsePlaceholder(text) ?? []) : []));
}

export function knowledgeRule({ knowledge, params, effect }: CommandDeclaration): readonly Finding[] {
  if (!knowledge) return [];
  const { search, answer, limit, refresh } = knowledge;
  const at = (message: string, ...path: string[]): Finding => ({ path: ['knowledge', ...path], message });
  const out: Finding[] = [];
  if ([search, answer, refresh].filter((one) => one !== undefined).length !== 1) out.push(at('expected one of search, answer, refresh'));
  for (const key of ['provider', 'model', 'maxTokens'] as const)
    if (knowledge[key] !== undefined && answer === undefined) out.push(at('is for answers of a language model', key));
  if (effect !== 'read') out.push({ path: ['effect'], message: 'looking into documents changes nothing: expected read' });
  const typeOf = (text: string) => params[parsePlaceholder(text) ?? '']?.type;
  for (const [key, text] of Object.entries({ search, answer }))
    if (text !== undefined && !['string', 'text'].includes(typeOf(text) ?? '')) out.push(at('expected a string param, as "{x}"', key));
  if (typeof limit === 'string' && !isBounded(params[parsePlaceholder(limit) ?? '']))
    out.push(at(`expected an integer param with min 1 or more and max ${MOST_PASSAGES} or less, as "{x}"`, 'limit'));
  const used = paramsOfKnowledge(knowledge);
  for (const name of Object.keys(params)) if (!used.includes(name)) out.push({ path: ['params', name], message: 'is never used' });
  return out;
}

/** @param folders real and absolute; what people call them is the last part of their names */
export function knowledgeInvocation(section: KnowledgeSection, folders: readonly string[], args: CheckedArguments): KnowledgeInvocation {
  return {
    kind: 'knowledge',
    folders: folders.map((folder) => ({ folder, name: basename(folder) })),
    work: workOf(section, (text) => args[parsePlaceholder(text) ?? '']),
  };
}

function workOf(section: KnowledgeSection, valueOf: (text: string) => unknown): KnowledgeInvocation['work'] {
  const { search, answer, limit: most, provider, model, maxTokens = ANSWER_TOKENS } = section;
  const limit = Number(typeof most === 'string' ? (valueOf(most) ?? MOST_PASSAGES) : most);
  if (answer !== undefined) return { kind: 'answer', question: textOf(valueOf(answer)), limit, provider, model, maxTokens };
  return search === undefined ? { kind: 'refresh' } : { kind: 'search', question: textOf(valueOf(search)), limit };
}

function isBounded(param: CommandDeclaration['params'][string] | undefined): boolean {
  return param?.type === 'integer' && (param.min ?? 0) >= 1 && (param.max ?? Infinity) <= MOST_PASSAGES;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
