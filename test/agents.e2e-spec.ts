import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentView } from '../src/agents/agent-view.js';
import type { CreatedKeyView } from '../src/auth/auth.schemas.js';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import type { HealthDetails } from '../src/health/health-details.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import { fixture, isAlive, livingGroup } from './fixtures/fixture.js';
import { ask, started, told } from './kit/agents.js';
import { command, show } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, parseEvents, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { programHome, removeHomes } from './kit/program.js';
import { SAMPLE_SECRETS } from './kit/sample-secrets.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-agents-'));

function agent(section: Declaration, declaration: Declaration = {}): Declaration {
  return command({ exec: [fixture('answers-lines')], effect: 'change', timeout: '5s', ...declaration, agent: section });
}

const lines = agent({ framing: 'line', terminator: '.' });
const json = agent({ framing: 'json' }, { exec: [fixture('answers-json')] });

const patient = agent({ framing: 'line', terminator: '.', restart: true }, { timeout: '300ms' });
const commands = {
  show,
  lines,
  json,
  patient,
  hasty: { ...lines, timeout: '200ms' },
  single: agent({ framing: 'line' }, { exec: [fixture('answers-lines'), ''] }),
  idler: agent({ framing: 'line', terminator: '.', idle: '200ms' }),
  elder: agent({ framing: 'line', terminator: '.', life: '400ms' }),
  terse: agent({ framing: 'line', terminator: '.', instruction: '1KiB' }, { limits: { output: '4KiB' } }),
  whisper: agent({ framing: 'line', terminator: '.' }, { params: { key: { type: 'secret' } }, env: { KEY: '{key}' } }),
  greeter: agent(
    { framing: 'line', terminator: '.' },
    { exec: [fixture('answers-lines'), '.', '{instruction}'], params: { instruction: { type: 'string', default: 'anybody' } } },
  ),
  few: { ...lines, limits: { concurrent: 3 } },
  own: agent({ framing: 'line', terminator: '.', perKey: 2 }),
  many: agent({ framing: 'line', terminator: '.' }, { timeout: '4s', limits: { output: '4KiB' } }),
};

let gateway: TestGateway;
let operator: Caller;
let admin: Caller;
beforeAll(async () => {
  gateway = await startGateway({ commands });
  [operator, admin] = [await gateway.as('operator'), await gateway.as('admin')];
});
afterAll(async () => {
  await removeHomes();
  await stopGateways();
  rmSync(folder, { recursive: true, force: true });
});

type RunOrProblem = RunEnvelope & Omit<Problem, 'status'>;

async function viewOf(caller: Caller, { id }: AgentView): Promise<AgentView> {
  return (await caller.get<AgentView>(`/agents/${id}`)).body;
}

async function runOf(caller: Caller, id: string): Promise<RunEnvelope> {
  return (await caller.get<RunEnvelope>(`/runs/${id}`)).body;
}

const pidOf = async (caller: Caller, one: AgentView) => Number((await told(caller, one, 'pid')).stdout);
const ended = (caller: Caller, one: AgentView) =>
  eventually(async () => {
    const view = await viewOf(caller, one);
    return view.state === 'ended' && view.outcome !== null && view;
  });

describe('an agent', () => {
  it('takes instructions one after the other, each a run in history and audit', async () => {
    const one = await started(operator, 'lines');
    expect(one).toMatchObject({ command: 'lines', state: 'ready', outcome: null, instructions: 0 });
    const first = await told(operator, one, 'say hello');
    expect(first).toMatchObject({ command: 'lines', status: 'succeeded', stdout: 'hello\n', stderr: '' });
    expect(first.args).toEqual({ agent: one.id, instruction: 'say hello' });
    const second = await told(operator, one, 'twice more');
    expect(second.stdout).toBe('more\nmore\n');
    expect((await told(operator, one, 'err oh')).stderr).toBe('oh\n');
    expect(await runOf(operator, second.id)).toEqual(second);
    expect((await operator.get<Page<RunSummary>>('/runs')).body.items).toHaveLength(4);
    const audited = (await admin.get<Page<AuditEntry>>('/audit')).body.items;
    for (const id of [one.runId, first.id, second.id])
      expect(audited.filter(({ subject }) => subject === id).map(({ action }) => action)).toEqual(
        id === one.runId ? ['run.intent'] : ['run.outcome', 'run.intent'],
      );
    expect(await viewOf(operator, one)).toMatchObject({ state: 'ready', instructions: 3, restarts: 0 });
  });

  it('streams an answer', async () => {
    const one = await started(operator, 'lines');
    const { body } = await operator.request<string>('POST', `/agents/${one.id}/command`, {
      body: { instruction: 'say piece by piece' },
      headers: { accept: 'text/event-stream' },
    });
    const events = parseEvents(body);
    expect(events.map(({ event }) => event)).toEqual(['run.started', 'output', 'run.finished']);
    expect(events[1]?.data).toMatchObject({ stream: 'stdout', data: 'piece by piece\n' });
  });

  it('answers in one line where no terminator is declared', async () => {
    const one = await started(operator, 'single');
    for (const word of ['one', 'two']) expect((await told(operator, one, `say ${word}`)).stdout).toBe(`${word}\n`);
  });

  it('takes one instruction at a time', async () => {
    const one = await started(operator, 'hasty');
    const hanging = ask<RunEnvelope>(operator, one, 'hang');
    await eventually(async () => (await viewOf(operator, one)).state === 'busy');
    const { status, body } = await ask(operator, one, 'say me too');
    expect([status, body.code]).toEqual([409, 'agent_busy']);
    expect((await hanging).body.outcome).toEqual({ kind: 'timed_out', afterMs: 200 });
  });

  it('ends when it does not answer, and says how it ended', async () => {
    const one = await started(operator, 'hasty');
    const pid = await pidOf(operator, one);
    expect((await told(operator, one, 'hang')).status).toBe('timed_out');
    expect(livingGroup(pid)).toEqual([]);
    await ended(operator, one);
    const { status, body } = await ask(operator, one, 'say again');
    expect([status, body.code, body.runId]).toEqual([409, 'agent_dead', one.runId]);
    expect(body.detail).toContain('200 ms');
    expect((await runOf(operator, one.runId)).outcome).toEqual({ kind: 'timed_out', afterMs: 200 });
  });

  it('is started anew after a crash or a timeout where that is declared', async () => {
    const one = await started(operator, 'patient');
    const pids = [await pidOf(operator, one)];
    expect((await told(operator, one, 'crash 7')).outcome).toEqual({ kind: 'exited', code: 7 });
    expect((await viewOf(operator, one)).state).toBe('stopped');
    pids.push(await pidOf(operator, one));
    expect((await told(operator, one, 'hang')).status).toBe('timed_out');
    pids.push(await pidOf(operator, one));
    expect(new Set(pids).size).toBe(3);
    const view = await viewOf(operator, one);
    expect(view).toMatchObject({ state: 'ready', restarts: 2, instructions: 5 });
    expect(view.runId).not.toBe(one.runId);
    expect((await runOf(operator, one.runId)).outcome).toEqual({ kind: 'exited', code: 7 });
  });

  it('whose program ends well without an answer leaves the instruction lost', async () => {
    const one = await started(operator, 'lines');
    expect((await told(operator, one, 'crash 0')).outcome).toEqual({ kind: 'lost' });
    expect(await ended(operator, one)).toMatchObject({ outcome: { kind: 'exited', code: 0 } });
  });

  it('never gives what its program writes unasked to the next instruction, and shows it', async () => {
    const one = await started(operator, 'lines');
    expect((await told(operator, one, 'later surplus')).stdout).toBe('now\n');
    await eventually(async () => (await runOf(operator, one.runId)).stdout === 'surplus\n');
    expect((await told(operator, one, 'say mine')).stdout).toBe('mine\n');
    await operator.request('DELETE', `/agents/${one.id}`);
    expect((await runOf(operator, one.runId)).stdout).toBe('surplus\n');
  });

  it('takes a line that began before an instruction for none of its answer', async () => {
    const one = await started(operator, 'lines');
    expect((await told(operator, one, 'stub half')).stdout).toBe('now\n');
    await eventually(async () => (await runOf(operator, one.runId)).stderr === 'stub\n');
    expect((await told(operator, one, 'say whole')).stdout).toBe('');
    await eventually(async () => (await runOf(operator, one.runId)).stdout === 'halfwhole\n');
    expect((await told(operator, one, 'say mine')).stdout).toBe('mine\n');
  });

  it('shows what it does to whoever looks, to its end', async () => {
    const one = await started(operator, 'lines');
    await told(operator, one, 'later surplus');
    const streaming = operator.get<string>(`/agents/${one.id}/stream`);
    await told(operator, one, 'say hello');
    await operator.request('DELETE', `/agents/${one.id}`);
    const events = parseEvents((await streaming).body);
    const names = events.map(({ event }) => event);
    expect(names[0]).toBe('agent.started');
    expect(names.at(-1)).toBe('agent.ended');
    expect(names.filter((name) => name === 'instruction.finished')).toHaveLength(2);
    const outputs = events.filter(({ event }) => event === 'output').map(({ data }) => [data['runId'] === one.runId, data['data']]);
    expect(outputs).toEqual(
      expect.arrayContaining([
        [true, 'surplus\n'],
        [false, 'hello\n'],
      ]),
    );
    expect(events.map(({ id }) => Number(id))).toEqual(events.map((_, index) => index + 1));
  });

  it('leaves nothing behind when it is deleted, and is unknown then', async () => {
    const one = await started(operator, 'lines');
    const pid = await pidOf(operator, one);
    const hanging = ask<RunEnvelope>(operator, one, 'hang');
    await eventually(() => livingGroup(pid).length > 1);
    const { status, body } = await operator.request<AgentView>('DELETE', `/agents/${one.id}`);
    expect([status, body.state]).toEqual([200, 'ended']);
    expect(livingGroup(pid)).toEqual([]);
    expect((await hanging).body).toMatchObject({ status: 'cancelled', outcome: { by: one.keyId } });
    expect((await runOf(operator, one.runId)).status).toBe('cancelled');
    for (const answer of [await ask(operator, one, 'pid'), await operator.get<Problem>(`/agents/${one.id}`)])
      expect([answer.status, answer.body.code]).toEqual([404, 'agent_unknown']);
  });

  it('ends when it idles, and at its age, whatever it does', async () => {
    const [idler, elder] = [await started(operator, 'idler'), await started(operator, 'elder')];
    const hanging = told(operator, elder, 'hang');
    expect((await ended(operator, idler)).outcome).toEqual({ kind: 'timed_out', afterMs: 200 });
    expect((await ended(operator, elder)).outcome).toEqual({ kind: 'timed_out', afterMs: 400 });
    expect((await hanging).outcome).toMatchObject({ kind: 'exited', signal: 'SIGTERM' });
  });

  it('is ended when it writes without end', async () => {
    const one = await started(operator, 'terse');
    const flooded = await told(operator, one, 'flood');
    expect(flooded).toMatchObject({ status: 'failed', truncated: true });
    expect(flooded.stdout.length).toBeLessThanOrEqual(4096);
    expect((await ended(operator, one)).outcome).toEqual({ kind: 'cancelled', by: 'flood' });
  });

  it('is masked like every output, and so is what it was told', async () => {
    const secret = SAMPLE_SECRETS[0]?.line ?? '';
    const declared = ['Tr0ub4dor', '3xyz'].join('&');
    const one = await started(operator, 'whisper', { key: declared });
    for (const hidden of [secret, declared]) {
      const answer = await told(operator, one, `say ${hidden}`);
      expect(JSON.stringify(answer)).not.toContain(hidden);
      expect(answer.redactions).toBeGreaterThan(0);
      expect(JSON.stringify((await operator.get(`/agents/${one.id}`)).body)).not.toContain(hidden);
    }
  });
});

describe('an agent that speaks JSON', () => {
  it('answers in parts, and with errors', async () => {
    const one = await started(operator, 'json');
    expect(await told(operator, one, 'parts a b c')).toMatchObject({ status: 'succeeded', stdout: 'a;b;c;' });
    expect(await told(operator, one, 'fail no such thing')).toMatchObject({
      status: 'failed',
      outcome: { kind: 'exited', code: 1 },
      stderr: 'no such thing',
    });
    expect((await told(operator, one, 'say still here')).stdout).toBe('still here');
  });

  it('has lines that are none of the framing counted and shown', async () => {
    const one = await started(operator, 'json');
    expect(await told(operator, one, 'mumble hm')).toMatchObject({ stdout: 'ok', stderr: 'hm\n{"id":7}\n' });
    expect((await viewOf(operator, one)).malformedLines).toBe(2);
  });

  it('survives a client that leaves, and its late answer is nobody else’s', async () => {
    const one = await started(operator, 'json');
    const release = join(folder, 'release');
    const leaving = new AbortController();
    const left = operator
      .request('POST', `/agents/${one.id}/command`, { body: { instruction: `slow ${release}` }, signal: leaving.signal })
      .catch(() => 'left');
    await eventually(async () => (await viewOf(operator, one)).state === 'busy');
    leaving.abort();
    expect(await left).toBe('left');
    await eventually(async () => (await viewOf(operator, one)).state === 'ready');
    const next = told(operator, one, 'say mine');
    writeFileSync(release, '');
    expect((await next).stdout).toBe('mine');
    await eventually(async () => (await runOf(operator, one.runId)).stdout.includes('"late"'));
  });
});

describe('who may do what with agents', () => {
  it('lets operators see their own and admins all', async () => {
    const [owner, other] = [gateway.with(await gateway.newKey()), gateway.with(await gateway.newKey())];
    const one = await started(owner, 'lines');
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/stream'],
      ['DELETE', ''],
    ] as const)
      expect((await other.request<Problem>(method, `/agents/${one.id}${path}`)).body.code).toBe('agent_unknown');
    expect((await ask(other, one, 'pid')).body.code).toBe('agent_unknown');
    expect((await other.get<{ items: unknown[] }>('/agents')).body.items).toEqual([]);
    expect((await owner.get<{ items: AgentView[] }>('/agents')).body.items.map(({ id }) => id)).toEqual([one.id]);
    expect((await admin.get<{ items: AgentView[] }>('/agents')).body.items[0]?.id).toBe(one.id);
    const answer = await told(admin, one, 'say by an admin');
    expect(answer.keyId).not.toBe(one.keyId);
    expect((await admin.request('DELETE', `/agents/${one.id}`)).status).toBe(200);
  });

  it('holds a key to its scopes, its life and its freezes at each instruction', async () => {
    const key = await gateway.newKey();
    const [owner, outsider] = [gateway.with(key), await gateway.as('operator', ['show'])];
    expect((await outsider.post<Problem>('/agents', { command: 'lines' })).body.code).toBe('command_unknown');
    const one = await started(owner, 'lines');
    const body = { target: { key: key.slice(4, 16) }, reason: 'test' };
    const frozen = await admin.request<{ id: string }>('PUT', '/freezes', { body });
    expect((await ask(owner, one, 'pid')).body.code).toBe('frozen');
    await admin.request('DELETE', `/freezes/${frozen.body.id}`);
    expect((await ask(owner, one, 'pid')).status).toBe(200);
    await admin.request('DELETE', `/auth/keys/${key.slice(4, 16)}`);
    expect((await ask(owner, one, 'pid')).status).toBe(401);
  });

  it('ends with its key, also while it idles, or waits to be started anew: revoked, expired, or with a key above it', async () => {
    const idOf = (key: string) => key.slice(4, 16);
    const revoked = await gateway.newKey();
    const parent = await gateway.newKey();
    const expiring = await gateway.newKey({ expiresIn: 700 });
    const { body: child } = await gateway.with(parent).post<CreatedKeyView>(`/auth/keys/${idOf(parent)}/children`, { name: 'c', calls: 9 });
    const agents = await Promise.all([revoked, child.key, expiring].map((key) => started(gateway.with(key), 'lines')));
    const pids = await Promise.all([revoked, child.key, expiring].map((key, index) => pidOf(gateway.with(key), agents[index]!)));
    const stopped = await started(gateway.with(revoked), 'patient');
    await told(gateway.with(revoked), stopped, 'crash 7');
    const other = await started(operator, 'lines');
    for (const key of [revoked, parent]) expect((await admin.request('DELETE', `/auth/keys/${idOf(key)}`)).status).toBe(204);
    for (const one of agents)
      expect(await ended(admin, one)).toMatchObject({ state: 'ended', outcome: { kind: 'cancelled', by: 'key_ended' } });
    await eventually(async () => (await viewOf(admin, stopped)).state === 'ended');
    await eventually(() => pids.every((pid) => livingGroup(pid).length === 0));
    expect((await ask(admin, agents[0]!, 'pid')).body).toMatchObject({ code: 'agent_dead', detail: expect.stringContaining('key') });
    expect((await viewOf(admin, other)).state).toBe('ready');
    await operator.request('DELETE', `/agents/${other.id}`);
  });

  it('outlives a change of its key and another secret of it', async () => {
    const key = await gateway.newKey();
    const one = await started(gateway.with(key), 'lines');
    await admin.request('PATCH', `/auth/keys/${key.slice(4, 16)}`, { body: { scopes: ['show'] } });
    await admin.post(`/auth/keys/${key.slice(4, 16)}/rotate`, { overlap: '0s' });
    // Others are found out meanwhile, so this one would have been.
    const brief = await gateway.newKey({ expiresIn: 300 });
    await ended(admin, await started(gateway.with(brief), 'lines'));
    expect((await viewOf(admin, one)).state).toBe('ready');
    await admin.request('DELETE', `/agents/${one.id}`);
  });

  it('are counted in the details of health, with their bound', async () => {
    const one = await started(operator, 'lines');
    const { body } = await admin.get<HealthDetails>('/health/details');
    const [active, places] = body.services['agents']?.measured ?? [];
    expect([active?.name, Number(active?.value) >= 1, active?.warning]).toEqual(['active', true, undefined]);
    expect(places).toEqual({ name: 'places', value: 100, unit: 'agents' });
    await operator.request('DELETE', `/agents/${one.id}`);
    const full = await startGateway({ commands: { lines }, settings: { MAX_AGENTS: '1' } });
    await started(await full.as('operator'), 'lines');
    const { body: details } = await (await full.as('admin')).get<HealthDetails>('/health/details');
    expect(details.services['agents']).toMatchObject({ status: 'warning', reason: expect.stringContaining('MAX_AGENTS'), critical: false });
    await full.stop();
  });

  it('holds a child key to the arguments that it is pinned to, and gives its instructions none of them', async () => {
    const { body, status } = await operator.post<CreatedKeyView>(`/auth/keys/${(operator.key ?? '').slice(4, 16)}/children`, {
      name: 'pinned',
      // A param may have any name, also that of a field of instructions.
      pinned: { greeter: { instruction: 'Ada' } },
    });
    expect(status).toBe(201);
    const child = gateway.with(body.key);
    const own = await started(child, 'greeter');
    expect(own.args).toEqual({ instruction: 'Ada' });
    const answer = await told(child, own, 'say yes');
    expect(answer).toMatchObject({ stdout: 'yes\n', args: { agent: own.id, instruction: 'say yes' } });
    expect((await child.post<Problem>('/agents', { command: 'greeter', args: { instruction: 'Bob' } })).body.code).toBe('forbidden');
  });

  it('stops what trips the tripwire, and what is no instruction, before the program sees it', async () => {
    const one = await started(operator, 'terse');
    expect((await ask(operator, one, 'say rm -rf /')).body.code).toBe('blocked');
    for (const wrong of ['say a\nsay b', 'say \0', `say ${'x'.repeat(1024)}`])
      expect((await ask(operator, one, wrong)).body).toMatchObject({ code: 'invalid_arguments', errors: [{ path: 'instruction' }] });
    expect((await operator.post<Problem>(`/agents/${one.id}/command`, {})).body.code).toBe('invalid_request');
    expect((await told(operator, one, 'say fine')).stdout).toBe('fine\n');
    expect(await viewOf(operator, one)).toMatchObject({ instructions: 1 });
  });

  it('bounds agents by command, by key and in all, exactly', async () => {
    const small = await startGateway({ commands, settings: { MAX_AGENTS: '6' } });
    const [one, chief] = [await small.as('operator'), await small.as('admin')];
    const codes = async (caller: Caller, name: string, count: number) => {
      const answers = await Promise.all(
        Array.from({ length: count }, () => caller.post<Problem & AgentView>('/agents', { command: name })),
      );
      return answers.map(({ status, body }) => (status === 201 ? 'started' : body.code)).sort();
    };
    expect(await codes(one, 'few', 5)).toEqual(['busy', 'busy', 'started', 'started', 'started']);
    expect(await codes(one, 'own', 3)).toEqual(['busy', 'started', 'started']);
    expect(await codes(chief, 'own', 2)).toEqual(['busy', 'started']);
    expect(await codes(chief, 'lines', 1)).toEqual(['busy']);
    const [last] = (await chief.get<{ items: AgentView[] }>('/agents')).body.items;
    await chief.request('DELETE', `/agents/${last?.id}`);
    expect(await codes(chief, 'lines', 1)).toEqual(['started']);
    await small.stop();
  });

  it('keeps agents and other commands apart', async () => {
    expect(await operator.refused({ command: 'lines' })).toMatchObject({ code: 'invalid_request' });
    expect((await operator.post<Problem>('/plan', { command: 'lines' })).body.code).toBe('invalid_request');
    expect((await operator.post<Problem>('/agents', { command: 'show', args: { value: 'x' } })).body.code).toBe('invalid_request');
    expect((await operator.get('/commands/lines')).body).toMatchObject({ agent: { framing: 'line', restart: false } });
  });

  it('gives the same instruction once under one Idempotency-Key', async () => {
    const one = await started(operator, 'lines');
    const send = (instruction: string) =>
      operator.post<RunOrProblem>(`/agents/${one.id}/command`, { instruction }, { 'idempotency-key': 'mine' });
    const first = await send('say once');
    expect((await send('say once')).body).toEqual(first.body);
    expect((await send('say other')).body.code).toBe('idempotency_mismatch');
    expect((await viewOf(operator, one)).instructions).toBe(1);
  });
});

describe('the agent that is shipped', () => {
  it('keeps notes and calculates, in a sandbox, where nothing is configured', async () => {
    const fresh = await startGateway({ settings: { SANDBOX: 'auto' } });
    const caller = await fresh.as('operator');
    const one = await started(caller, 'agents.notes');
    const answers: string[] = [];
    for (const said of [
      'note buy milk',
      'note $(id) *',
      'notes',
      'add 2 -5',
      'div 7 0',
      'mul 2 x',
      'echo -n \\t',
      'forget',
      'notes',
      'what?',
    ])
      answers.push((await told(caller, one, said)).stdout);
    expect(answers).toEqual([
      'note 1 kept\n',
      'note 2 kept\n',
      '1. buy milk\n2. $(id) *\n',
      '-3\n',
      'nothing can be divided by 0\n',
      'expected two whole numbers: mul 2 3\n',
      '-n \\t\n',
      'forgotten\n',
      'there are no notes\n',
      'expected one of: note, notes, forget, echo, add, sub, mul, div\n',
    ]);
    await fresh.stop();
  });
});

describe('agents of a gateway that goes', () => {
  it('end with it, and what they are doing may end first; those of one that is killed do not survive it and are closed as lost', async () => {
    const home = programHome({ commands: { lines } });
    const first = await home.serve();
    const caller = await first.as(home.adminKey);
    const [idle, busy] = [await started(caller, 'lines'), await started(caller, 'lines')];
    const pids = [await pidOf(caller, idle), await pidOf(caller, busy)];
    const napping = told(caller, busy, 'nap 0.7');
    await eventually(async () => (await viewOf(caller, busy)).state === 'busy');
    expect((await first.end('SIGTERM')).code).toBe(0);
    expect((await napping).stdout).toBe('rested\n');
    expect(pids.filter(isAlive)).toEqual([]);

    const second = await home.serve();
    const again = await second.as(home.adminKey);
    for (const { runId } of [idle, busy]) expect((await runOf(again, runId)).outcome).toEqual({ kind: 'cancelled', by: 'shutdown' });
    const one = await started(again, 'lines');
    const pid = await pidOf(again, one);
    const hanging = ask(again, one, 'hang').catch(() => 'cut off');
    await eventually(() => livingGroup(pid).length > 1);
    await second.end('SIGKILL');
    expect(await hanging).toBe('cut off');
    await eventually(() => livingGroup(pid).length === 0);

    const last = await (await home.serve()).as(home.adminKey);
    const { items } = (await last.get<Page<RunSummary>>('/runs?limit=3')).body;
    expect(items.map(({ outcome }) => outcome?.kind)).toEqual(['lost', 'exited', 'lost']);
    expect((await last.get<Problem>(`/agents/${one.id}`)).body.code).toBe('agent_unknown');
  });
});

/** How many outcomes the audit log has of each run of the command whose intent it has. */
async function endsByRun(name: string): Promise<ReadonlyMap<string, number>> {
  const { body } = await admin.get<string>('/audit/export?format=ndjson');
  const entries = body
    .split('\n')
    .filter((line) => line.includes(`"${name}"`))
    .map((line) => JSON.parse(line) as AuditEntry);
  const own = entries.filter(({ details }) => details['command'] === name);
  const ends = new Map(own.filter(({ action }) => action === 'run.intent').map(({ subject }) => [subject, 0]));
  for (const { action, subject } of own) if (action === 'run.outcome') ends.set(subject, (ends.get(subject) ?? NaN) + 1);
  return ends;
}

describe('fifty agents at once', () => {
  it('give every instruction one outcome, with one that crashes, one that hangs and one that floods, and leave nothing', async () => {
    const agents = await Promise.all(Array.from({ length: 50 }, () => started(operator, 'many')));
    const pids = await Promise.all(agents.map((one) => pidOf(operator, one)));
    const ill: Readonly<Record<number, string>> = { 7: 'crash 3', 19: 'hang', 31: 'flood' };
    const outcomes = await Promise.all(
      agents.map(async (one, index) => {
        const said: string[] = [];
        for (let turn = 1; turn < 20; turn++) {
          const { status, body } = await ask<RunOrProblem>(operator, one, turn === 10 ? (ill[index] ?? 'say ten') : `say ${index}.${turn}`);
          const isOwn = status === 200 && (turn === 10 || body.stdout === `${index}.${turn}\n`);
          said.push(status === 200 ? (isOwn ? body.status : 'wrong answer') : body.code);
        }
        return said.join(' ');
      }),
    );
    const before = 'succeeded '.repeat(9);
    const after = ' agent_dead'.repeat(9);
    expect([outcomes[7], outcomes[19], outcomes[31]]).toEqual([
      `${before}failed${after}`,
      `${before}timed_out${after}`,
      `${before}failed${after}`,
    ]);
    expect(new Set(outcomes.filter((_, index) => !(index in ill)))).toEqual(new Set([`${before}succeeded${' succeeded'.repeat(9)}`]));
    await Promise.all(agents.map((one) => operator.request('DELETE', `/agents/${one.id}`)));
    expect(pids.filter((pid) => livingGroup(pid).length > 0)).toEqual([]);
    const running = (await operator.get<Page<RunSummary>>('/runs?status=running')).body.items;
    expect(running.filter(({ command: name }) => name === 'many')).toEqual([]);
    const ends = await endsByRun('many');
    expect([ends.size, new Set(ends.values())]).toEqual([50 + 973, new Set([1])]);
    const scrape = (await operator.get<string>('/metrics')).body;
    expect(scrape).toMatch(/sallyport_agent_instructions_total\{command="many",outcome="exited"\} 972/);
    expect(scrape).toMatch(/sallyport_agent_instructions_total\{command="many",outcome="timed_out"\} 1\n/);
    expect(scrape).not.toMatch(/sallyport_agents_active\{command="many"/);
  }, 30_000);
});
