import { describe, expect, it } from '@jest/globals';
import { agentRule, agentRulesOf } from './agent-section.js';
import { commandSchema } from './catalogue-schema.js';
import { declarationMistakes } from './declaration-rules.js';

const base = { summary: 'Talks', exec: ['cat'], effect: 'read', agent: { framing: 'line' } };
const mistakesOf = (more: object) => agentRule(commandSchema.parse({ ...base, ...more })).map(({ path }) => path.join('.'));

describe('the section agent', () => {
  it('has defaults', () => {
    expect(mistakesOf({})).toEqual([]);
    expect(commandSchema.parse(base).agent).toEqual({
      framing: 'line',
      idle: 300_000,
      life: 3_600_000,
      instruction: 16_384,
      restart: false,
    });
  });

  it.each([
    ['stdin', { stdin: '{x}', params: { x: { type: 'string' } } }],
    ['secrets', { secrets: { TOKEN: { stdin: true } } }],
    ['cache', { cache: '5s' }],
    ['retry', { retry: { attempts: 2 } }],
    ['breaker', { breaker: 'talks' }],
    ['phrases', { phrases: ['talk'] }],
    ['output', { output: { parse: 'json' } }],
    ['approval', { approval: 'required' }],
    ['approval', { effect: 'destroy' }],
    ['agent', { exec: undefined, builtin: 'greet' }],
    ['agent.terminator', { agent: { framing: 'json', terminator: '.' } }],
    ['agent.framing', { agent: {} }],
    ['agent.tools', { agent: { framing: 'line', tools: ['git.*'] } }],
    ['agent.rounds', { agent: { framing: 'line', rounds: 3 } }],
    ['agent.memory', { agent: { framing: 'line', memory: '1KiB' } }],
  ])('goes with no %s', (place, more) => {
    expect(mistakesOf(more)).toEqual([place]);
  });

  it.each([
    { framing: 'xml' },
    { framing: 'line', terminator: 'a\nb' },
    { framing: 'line', idle: '0s' },
    { framing: 'line', tools: [] },
    { tools: ['a b'] },
  ])('is not %j', (agent) => {
    expect(commandSchema.safeParse({ ...base, agent }).success).toBe(false);
  });

  const talk = { summary: 'Talks', effect: 'read', llm: { system: 'Be brief.' }, agent: {} };
  const mistakesOfTalk = (more: object) =>
    declarationMistakes(commandSchema.parse({ ...talk, ...more }), []).map(({ path }) => path.join('.'));

  it('may be a conversation', () => {
    expect(mistakesOfTalk({})).toEqual([]);
    expect(mistakesOfTalk({ agent: { tools: ['git.*'], rounds: 3, memory: '1KiB', perKey: 2 } })).toEqual([]);
    expect(agentRulesOf(commandSchema.parse(talk))?.framing).toEqual({ kind: 'conversation', tools: [], rounds: 8, memoryBytes: 65_536 });
  });

  it.each([
    ['agent.framing', { agent: { framing: 'line' } }],
    ['agent.terminator', { agent: { terminator: '.' } }],
    ['agent.restart', { agent: { restart: true } }],
    ['llm.prompt', { llm: { prompt: 'Say {x}' }, params: { x: { type: 'string' } } }],
    ['llm.schema', { llm: { schema: { type: 'object' } } }],
    ['llm.audit', { llm: { audit: 'prompt' } }],
    ['llm.stream', { llm: { stream: false } }],
    ['retry', { retry: { attempts: 2 } }],
    ['params.x', { params: { x: { type: 'string' } } }],
    ['llm.prompt', { agent: undefined }],
  ])('has no %s in a conversation', (place, more) => {
    expect(mistakesOfTalk(more)).toContain(place);
  });
});
