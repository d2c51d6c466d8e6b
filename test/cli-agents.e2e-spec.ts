import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentView } from '../src/agents/agent-view.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { fixture } from './fixtures/fixture.js';
import { command } from './kit/commands.js';
import { type Finished, type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { startGateway, stopGateways, type TestGateway } from './kit/gateway.js';

const commands = {
  lines: command({
    exec: [fixture('answers-lines'), '.', '{greeting}'],
    params: { greeting: { type: 'string', default: 'hello' } },
    effect: 'change',
    agent: { framing: 'line', terminator: '.' },
  }),
};

let gateway: TestGateway;
let home: ProgramHome;
let key: string;
beforeAll(async () => {
  gateway = await startGateway({ commands });
  home = programHome();
  key = await gateway.key('operator');
});
afterAll(async () => {
  await removeHomes();
  await stopGateways();
});

const agents = (...args: string[]): Promise<Finished> => home.run(['agents', ...args, '--url', gateway.url], { SALLYPORT_KEY: key });
const json = <T>({ stdout }: Finished) => JSON.parse(stdout) as T;

describe('sallyport agents', () => {
  it('starts, lists, shows, tells and ends agents of a server', async () => {
    const one = await agents('start', 'lines', 'greeting=good day');
    expect(one).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^agt_[0-9a-f]{32}\n$/) });
    const id = one.stdout.trim();
    const [list, shown, answer, envelope, failed] = [
      await agents('list'),
      await agents('show', id, '--json'),
      await agents('tell', id, 'say hello you'),
      await agents('tell', id, 'err oh', '--json'),
      await agents('tell', id, 'crash 7'),
    ];
    expect(list.stdout).toContain(`${id}  ready    lines  of ${key.slice(4, 16)}  0 instructions`);
    expect(json<AgentView>(shown)).toMatchObject({ id, state: 'ready', args: { greeting: 'good day' } });
    expect(answer).toMatchObject({ code: 0, stdout: 'hello you\n' });
    expect(json<RunEnvelope>(envelope)).toMatchObject({ status: 'succeeded', stderr: 'oh\n' });
    expect(failed.code).toBe(7);
    expect((await agents('show', id)).stdout).toMatch(/ended .*3 instructions[^]*ended: \{"kind":"exited","code":7/);
    expect(await agents('tell', id, 'say it')).toMatchObject({ code: 2, stderr: expect.stringMatching(/^agent_dead: /) });
    expect(await agents('end', id)).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing is left') });
    expect(await agents('end', id)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^agent_unknown: /) });
  }, 30_000);

  it('needs a server, and says what it refuses', async () => {
    expect(await home.run(['agents', 'list'])).toMatchObject({ code: 2, stderr: expect.stringContaining('give its --url') });
    expect(await agents('start', 'nothing')).toMatchObject({ code: 2, stderr: expect.stringMatching(/^command_unknown: /) });
  });
});
