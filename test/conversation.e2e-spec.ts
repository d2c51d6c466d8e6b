import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentView } from '../src/agents/agent-view.js';
import type { CommandDescription } from '../src/commands/describe-command.js';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import { ask, started, told } from './kit/agents.js';
import { show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, parseEvents, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { askedOf, inTurn, refuses, says, startLlm, wants, wantsWhole } from './kit/llm-peer.js';
import type { Peer } from './kit/peer.js';
import { livingGroup } from './fixtures/fixture.js';

const talk = (agent: Declaration, more: Declaration = {}): Declaration => ({
  summary: 'Talks',
  effect: 'read',
  llm: { system: 'You are a clerk.', maxTokens: 50 },
  timeout: '10s',
  agent,
  ...more,
});
const commands = {
  'tools.show': show,
  'tools.sleep': sleeper,
  'tools.wipe': { ...show, effect: 'destroy' },
  'tools.admin': { ...show, role: 'admin' },
  'other.show': show,
  clerk: talk({ tools: ['tools.*', 'clerk'] }),
  chatter: talk({}),
  forgetful: talk({ memory: '300B' }),
  hasty: talk({ tools: ['tools.*'], rounds: 2 }, { timeout: '1s' }),
};

let peer: Peer;
let key: string;
let gateway: TestGateway;
let operator: Caller;
beforeAll(async () => {
  const llm = await startLlm();
  ({ peer, key } = llm);
  gateway = await startGateway({ commands, settings: { ...llm.settings, MAX_CONCURRENT_RUNS: '1' } });
  operator = await gateway.as('operator');
});
afterEach(() => {
  peer.behave = says(['Hello', ', ', 'you.']);
  peer.received.length = 0;
});
afterAll(async () => {
  await stopGateways();
  await peer.stop();
});

/** The lines of JSON on stderr that are about tools. */
function toolsOf({ stderr }: RunEnvelope): readonly Readonly<Record<string, unknown>>[] {
  return stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => 'tool' in line);
}

function lastAsked() {
  return askedOf(peer.received.at(-1)!);
}

/** What the model was told of its tools in its last call. */
function results(): unknown[] {
  return lastAsked().messages.flatMap(({ role, content }) => (role === 'tool' ? [JSON.parse(content) as unknown] : []));
}

describe('an agent that is a conversation', () => {
  it('answers with what the model says, and remembers what was said', async () => {
    const agent = await started(operator, 'chatter');
    const first = await told(operator, agent, 'good day');
    expect(first).toMatchObject({ command: 'chatter', status: 'succeeded', stdout: 'Hello, you.' });
    expect(JSON.parse(first.stderr)).toMatchObject({ provider: 'default', model: 'peer-model', counted: 15 });
    peer.behave = says(['Fine.']);
    await told(operator, agent, 'and now?');
    expect(lastAsked().messages).toEqual([
      { role: 'system', content: 'You are a clerk.' },
      { role: 'user', content: 'good day' },
      { role: 'assistant', content: 'Hello, you.' },
      { role: 'user', content: 'and now?' },
    ]);
    expect(lastAsked()).not.toHaveProperty('tools');
    const { body: ended } = await operator.request<AgentView>('DELETE', `/agents/${agent.id}`);
    expect(ended).toMatchObject({ state: 'ended', instructions: 2, outcome: { kind: 'cancelled' } });
  });

  it('has commands run for whoever gives the instruction, as runs of theirs, and goes on from what they say', async () => {
    const agent = await started(operator, 'clerk');
    peer.behave = inTurn(wants(['tools_show', '{"value":"one"}'], ['tools_show', '{"value":"two"}']), says(['It says one and two.']));
    const run = await told(operator, agent, 'show both');
    expect(run).toMatchObject({ status: 'succeeded', stdout: 'It says one and two.' });
    expect(toolsOf(run)).toEqual([
      { tool: 'tools.show', runId: expect.stringMatching(/^run_/), status: 'succeeded' },
      { tool: 'tools.show', runId: expect.stringMatching(/^run_/), status: 'succeeded' },
    ]);
    expect(results()).toMatchObject([
      { status: 'succeeded', stdout: 'one\0' },
      { status: 'succeeded', stdout: 'two\0' },
    ]);
    const calls = lastAsked().messages.flatMap(({ tool_calls: made }) => made ?? []);
    expect(calls.map(({ function: { name, arguments: args } }) => [name, args])).toEqual([
      ['tools_show', '{"value":"one"}'],
      ['tools_show', '{"value":"two"}'],
    ]);
    expect(lastAsked().messages.flatMap(({ tool_call_id: id }) => id ?? [])).toEqual(calls.map(({ id }) => id));
    for (const { runId } of toolsOf(run)) {
      const { body } = await operator.get<RunEnvelope>(`/runs/${String(runId)}`);
      expect(body).toMatchObject({ command: 'tools.show', keyId: run.keyId, requestId: run.requestId });
      const { body: log } = await (await gateway.as('admin')).get<Page<AuditEntry>>(`/audit?subject=${String(runId)}`);
      expect(log.items.map(({ action }) => action).toSorted()).toEqual(['run.intent', 'run.outcome']);
    }
  });

  it('offers what is declared for it, allowed to the key and waits for nobody', async () => {
    const agent = await started(operator, 'clerk');
    await told(operator, agent, 'x');
    const tools = lastAsked().tools?.map((tool) => tool.function);
    expect(tools?.map(({ name }) => name)).toEqual(['tools_show', 'tools_sleep']);
    expect(tools?.[0]).toMatchObject({
      description: 'tools.show: Serves a test',
      parameters: { properties: { value: { type: 'string' } } },
    });
    const admin = await gateway.as('admin');
    await told(admin, await started(admin, 'clerk'), 'x');
    expect(lastAsked().tools?.map((tool) => tool.function.name)).toEqual(['tools_admin', 'tools_show', 'tools_sleep']);
    // What somebody else has said to it must not lead the rights of an admin.
    await told(admin, agent, 'x');
    expect(lastAsked()).not.toHaveProperty('tools');
    const narrow = gateway.with(await gateway.newKey({ scopes: ['clerk'] }));
    await told(narrow, await started(narrow, 'clerk'), 'x');
    expect(lastAsked()).not.toHaveProperty('tools');
  });

  it.each([
    ['one that was not offered', 'tools_admin', '{"value":"x"}', { code: 'command_unknown' }],
    ['one that is not declared for it', 'other_show', '{"value":"x"}', { code: 'command_unknown' }],
    ['one that asks for approval', 'tools_wipe', '{"value":"x"}', { code: 'command_unknown' }],
    ['arguments that are no JSON', 'tools_show', '{"value":', { code: 'invalid_arguments' }],
    ['arguments that are no object', 'tools_show', '[1]', { code: 'invalid_arguments' }],
    ['arguments that are not as declared', 'tools_show', '{"valeu":"x"}', { code: 'invalid_arguments' }],
  ])('runs nothing and tells the model why: %s', async (_, name, args, refused) => {
    const agent = await started(operator, 'clerk');
    const launches = gateway.launches.length;
    peer.behave = inTurn(wantsWhole([name, args]), says(['I cannot.']));
    expect(await told(operator, agent, 'try')).toMatchObject({ status: 'succeeded', stdout: 'I cannot.' });
    expect(results()).toMatchObject([{ refused }]);
    expect(gateway.launches).toHaveLength(launches);
  });

  it('ends an instruction whose model wants tools without end, and forgets it', async () => {
    const agent = await started(operator, 'hasty');
    peer.behave = wants(['tools_show', '{"value":"more"}']);
    const run = await told(operator, agent, 'go on');
    expect(run).toMatchObject({ status: 'failed', outcome: { kind: 'exited', code: 1 } });
    expect(run.stderr).toContain('was asked 2 times');
    peer.behave = says(['Here.']);
    expect((await told(operator, agent, 'are you there?')).stdout).toBe('Here.');
    expect(
      lastAsked()
        .messages.filter(({ role }) => role === 'user')
        .map(({ content }) => content),
    ).toEqual(['are you there?']);
  });

  it('survives a model that fails, and goes on from before that', async () => {
    const agent = await started(operator, 'chatter');
    await told(operator, agent, 'first');
    peer.behave = refuses(500);
    expect(await told(operator, agent, 'second')).toMatchObject({ status: 'failed', outcome: { kind: 'answered', status: 500 } });
    peer.behave = (response) => response.destroy();
    expect(await told(operator, agent, 'third')).toMatchObject({ status: 'failed', outcome: { kind: 'unanswered' } });
    peer.behave = says(['Back.']);
    expect((await told(operator, agent, 'fourth')).stdout).toBe('Back.');
    expect(lastAsked().messages.map(({ content }) => content)).toEqual(['You are a clerk.', 'first', 'Hello, you.', 'fourth']);
  });

  it('ends a tool with its instruction, and leaves nothing of it', async () => {
    const agent = await started(operator, 'hasty');
    peer.behave = inTurn(wants(['tools_sleep', '{}']), says(['Done.']));
    const run = await told(operator, agent, 'sleep');
    expect(run).toMatchObject({ status: 'timed_out' });
    const { body } = await operator.get<Page<RunSummary>>('/runs?command=tools.sleep');
    const { body: slept } = await operator.get<RunEnvelope>(`/runs/${body.items[0]?.id}`);
    expect(slept).toMatchObject({ status: 'timed_out', stdout: expect.stringMatching(/^\d+\n$/) });
    expect(livingGroup(Number(slept.stdout))).toEqual([]);
    expect((await told(operator, agent, 'awake?')).status).toBe('succeeded');
  });

  it('ends with what it was doing when it is deleted', async () => {
    const agent = await started(operator, 'clerk');
    peer.behave = wants(['tools_sleep', '{}']);
    const under = ask<RunEnvelope>(operator, agent, 'sleep');
    await eventually(
      async () => (await operator.get<Page<RunSummary>>('/runs?status=running&command=tools.sleep')).body.items.length === 1,
    );
    expect((await operator.request('DELETE', `/agents/${agent.id}`)).status).toBe(200);
    expect((await under).body).toMatchObject({ status: 'cancelled' });
    const { items } = (await operator.get<Page<RunSummary>>('/runs?status=running')).body;
    expect(items.filter(({ id, command }) => command === 'tools.sleep' || id === agent.runId)).toEqual([]);
  });

  it('forgets the oldest first when it has been told more than it is to remember', async () => {
    const agent = await started(operator, 'forgetful');
    for (const text of ['one', 'two', 'three']) await told(operator, agent, `${text} ${'x'.repeat(60)}`);
    expect(lastAsked().messages.map(({ content }) => content.split(' ')[0])).toEqual(['You', 'two', 'Hello,', 'three']);
  });

  it('masks secrets in what the model says, asks for and is told', async () => {
    const token = ['ghp', '_', 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'].join('');
    const agent = await started(operator, 'clerk');
    peer.behave = inTurn(wants(['tools_show', JSON.stringify({ value: token })]), says([`It is ${token} or ${key}.`]));
    const run = await told(operator, agent, 'show it');
    expect(JSON.stringify(run)).not.toContain(token);
    expect(JSON.stringify(run)).not.toContain(key);
    expect(JSON.stringify(results())).not.toContain(token);
  });

  it('streams its answer, and shows its tools to whoever watches it', async () => {
    const agent = await started(operator, 'clerk');
    peer.behave = inTurn(wants(['tools_show', '{"value":"seen"}']), says(['Seen.']));
    const headers = { 'x-api-key': operator.key ?? '', 'content-type': 'application/json', accept: 'text/event-stream' };
    const body = JSON.stringify({ instruction: 'look' });
    const answer = await fetch(`${operator.url}/agents/${agent.id}/command`, { method: 'POST', headers, body });
    const events = parseEvents(await answer.text());
    const of = (stream: string) =>
      events.flatMap(({ event, data }) => (event === 'output' && data['stream'] === stream ? [data['data']] : []));
    expect(of('stdout').join('')).toBe('Seen.');
    expect(of('stderr').join('')).toContain('"tool":"tools.show"');
  });

  it('counts its tokens against the budget of its key, all rounds together', async () => {
    const bound = gateway.with(await gateway.newKey({ tokens: 40 }));
    const agent = await started(bound, 'clerk');
    peer.behave = inTurn(wants(['tools_show', '{"value":"x"}']), wants(['tools_show', '{"value":"x"}']), says(['Done.']));
    expect((await told(bound, agent, 'x')).status).toBe('succeeded');
    const { status, body } = await ask(bound, agent, 'x');
    expect([status, body.code]).toEqual([429, 'budget_used_up']);
  });

  it('cannot be started where no model is configured, and says so', async () => {
    const bare = await (await startGateway({ commands: { chatter: talk({}) } })).as('operator');
    const { status, body } = await bare.post<Problem>('/agents', { command: 'chatter' });
    expect([status, body.code]).toEqual([503, 'executor_unavailable']);
    const { body: described } = await bare.get<CommandDescription>('/commands/chatter');
    expect(described).toMatchObject({ available: false, agent: { framing: 'conversation', tools: [] } });
  });
});
