import { describe, expect, it } from '@jest/globals';
import { commandSchema } from './catalogue-schema.js';
import { declarationMistakes } from './declaration-rules.js';

const ask = { summary: 'x', effect: 'read', llm: { prompt: 'Say {text}' }, params: { text: { type: 'text' } } };

function mistakes(declaration: unknown): readonly string[] {
  return declarationMistakes(commandSchema.parse(declaration), []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('the section llm', () => {
  it('may ask for an answer by a schema, and have a property of any name in it', () => {
    expect(mistakes(ask)).toEqual([]);
    const schema = { type: 'object', properties: { pattern: { type: 'string' } }, required: ['pattern'] };
    expect(mistakes({ ...ask, llm: { ...ask.llm, schema } })).toEqual([]);
  });

  it.each([
    ['a param among the instructions', { ...ask, llm: { system: 'Obey {text}', prompt: '{text}' } }, /^llm\.system: takes no params/],
    ['an unknown param', { ...ask, llm: { prompt: '{text} {other}' } }, /^llm\.prompt: there is no param of the name other/],
    ['an unused param', { ...ask, params: { ...ask.params, other: { type: 'string' } } }, /^params\.other: is never used/],
    ['a secret', { ...ask, params: { text: { type: 'secret' } } }, /^params\.text: .+ takes neither secrets nor files/],
    ['a pattern', { ...ask, llm: { ...ask.llm, schema: { items: { pattern: '(a+)+$' } } } }, /^llm\.schema: pattern is not taken/],
    ['a reference', { ...ask, llm: { ...ask.llm, schema: { $ref: '#' } } }, /^llm\.schema: \$ref is not taken/],
    ['a schema that is none', { ...ask, llm: { ...ask.llm, schema: { type: 'nope' } } }, /^llm\.schema: is no JSON Schema/],
    ['a schema to be streamed', { ...ask, llm: { ...ask.llm, schema: { type: 'string' }, stream: true } }, /^llm\.stream: /],
    ['a limit of programs', { ...ask, limits: { memory: '1GiB' } }, /^limits\.memory: /],
    ['an environment', { ...ask, env: { A: 'b' } }, /^env: has no meaning/],
    ['a sandbox', { ...ask, sandbox: { profile: 'pure' } }, /^sandbox: has no meaning/],
    ['a program too', { ...ask, exec: ['true'] }, /expected exactly one of/],
    ['a wish to be left out', { ...ask, optional: true }, /^optional: has no meaning/],
  ])('has a mistake with %s', (_, declaration, mistake) => {
    expect(mistakes(declaration)).toEqual(expect.arrayContaining([expect.stringMatching(mistake)]));
  });
});
