import type { ChatRequest } from '../domain/llm.js';
import type { FoundPassage } from '../knowledge/knowledge-index.js';
import { delimitersFor, type Named } from '../llm/delimited.js';

/** A passage that an answer rests on. `number`: how the answer's text names it, `[2]`. */
export type Citation = Pick<FoundPassage, 'path' | 'heading' | 'line'> & { readonly number: number };

const SYSTEM = `You answer a question from passages of documents, and from nothing else. Name the passages that each statement rests on by their
numbers in brackets, such as [1] or [1, 3]. If the passages do not answer the question, say so in one sentence without a number. Answer in the
language of the question.`;

/** What is asked of a model: question and passages are data, and it has no means to do anything. */
export function questionAbout(passages: readonly FoundPassage[], question: string): ChatRequest['messages'] {
  const named: Named[] = passages.map(({ path, heading, text }, index) => [`passage ${index + 1}`, `${path}: ${heading}\n${text}`]);
  named.push(['question', question]);
  const { rule, around } = delimitersFor(named);
  return [
    { role: 'system', content: `${SYSTEM}\n\n${rule}` },
    { role: 'user', content: named.map(([name, text]) => around(name, text)).join('\n\n') },
  ];
}

/** Numbers in brackets that stand by themselves: `[1]`, `[1, 3]`; not the index in `list[3]`. */
const MARK = /(?<![\w\])])\[(\d{1,3}(?:, ?\d{1,3}){0,49})\]/g;

/** The answer without the numbers of passages that were never given, and the passages that it names, in their order. */
export function withCitations(answer: string, passages: readonly FoundPassage[]): { answer: string; citations: readonly Citation[] } {
  const named = new Set<number>();
  const text = answer.replace(MARK, (_, list: string) => {
    const known = list
      .split(',')
      .map(Number)
      .filter((number) => number >= 1 && number <= passages.length);
    for (const number of known) named.add(number);
    return known.length === 0 ? '' : `[${known.join(', ')}]`;
  });
  const citations = passages.flatMap(({ path, heading, line }, index): Citation[] =>
    named.has(index + 1) ? [{ number: index + 1, path, heading, line }] : [],
  );
  return { answer: text, citations };
}
