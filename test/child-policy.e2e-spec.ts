import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CreatedKeyView } from '../src/auth/auth.schemas.js';
import { parseKey } from '../src/auth/key-format.js';
import type { Page } from '../src/domain/audit.js';
import type { PlanView } from '../src/runs/plan-view.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { temporaryFolder } from './kit/catalogue-of.js';
import { show, sleeper, witness } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';

afterEach(stopGateways);

const idOf = (caller: Caller) => parseKey(caller.key ?? '')?.id ?? '';

async function startFamily(): Promise<{ gateway: TestGateway; admin: Caller; parent: Caller }> {
  const marks = join(temporaryFolder(), 'marks');
  const commands = { show, sleeper, wipe: { ...witness(marks), effect: 'destroy', role: 'operator' } };
  const gateway = await startGateway({ commands });
  return { gateway, admin: await gateway.as('admin'), parent: gateway.with(await gateway.newKey()) };
}

/** A key made from that of `parent`, by whoever may. */
async function childOf(parent: Caller, maker: Caller, body: object = {}): Promise<Caller> {
  const made = await maker.post<CreatedKeyView>(`/auth/keys/${idOf(parent)}/children`, { name: 'child', scopes: ['*'], calls: 9, ...body });
  expect(made.status).toBe(201);
  return new Caller(parent.url, made.body.key);
}

describe('policy and child keys', () => {
  it('a plan has what the key pins, and runs with it', async () => {
    const { gateway, parent } = await startFamily();
    const child = await childOf(parent, parent, { scopes: ['show'], pinned: { show: { value: 'pinned' } } });
    const { body: plan } = await child.post<PlanView>('/plan', { command: 'show' });
    expect(plan).toMatchObject({ args: { value: 'pinned' }, argv: expect.arrayContaining(['pinned']) });
    const { body: run } = await child.post<RunEnvelope>('/run', { planId: plan.planId });
    expect(run).toMatchObject({ status: 'succeeded', stdout: 'pinned\0' });
    expect((await child.post('/plan', { command: 'show', args: { value: 'other' } })).status).toBe(403);
    expect(gateway.launches).toHaveLength(1);
  });

  it('a child approves nothing for the key that it was made from, whoever made it [A12]', async () => {
    const { gateway, admin, parent } = await startFamily();
    const children = [await childOf(parent, admin), await childOf(parent, parent)];
    const { body: run } = await parent.post<RunEnvelope>('/run', { command: 'wipe', args: { mark: 'gone' } });
    expect(run.status).toBe('awaiting_approval');
    for (const child of children) {
      const { body } = await child.get<Page<{ runId: string; fingerprint: string }>>('/approvals');
      const { fingerprint = 'none' } = body.items.find(({ runId }) => runId === run.id) ?? {};
      expect((await child.post(`/approvals/${run.id}/approve`, { fingerprint })).status).toBe(403);
    }
    expect(gateway.launches).toEqual([]);
  });

  it('a child approves nothing for another child of its parent, whoever made them; others do [A12]', async () => {
    const { gateway, admin, parent } = await startFamily();
    const approve = async (caller: Caller, id: string) => {
      const { body } = await caller.get<Page<{ runId: string; fingerprint: string }>>('/approvals');
      const fingerprint = body.items.find(({ runId }) => runId === id)?.fingerprint ?? 'none';
      return (await caller.post(`/approvals/${id}/approve`, { fingerprint })).status;
    };
    const requester = await childOf(parent, admin);
    const [ofAdmin, ofParent] = [await childOf(parent, admin), await childOf(parent, parent)];
    const nephew = await childOf(ofParent, ofParent, { calls: 3 });
    const { body: run } = await requester.post<RunEnvelope>('/run', { command: 'wipe', args: { mark: 'gone' } });
    expect(run.status).toBe('awaiting_approval');
    for (const relative of [ofAdmin, ofParent, nephew, requester]) expect(await approve(relative, run.id)).toBe(403);
    expect(gateway.launches).toEqual([]);
    expect(await approve(gateway.with(await gateway.newKey()), run.id)).toBe(200);
    await eventually(async () => (await requester.get<RunEnvelope>(`/runs/${run.id}`)).body.status === 'succeeded');
    expect(gateway.launches).toHaveLength(1);
  });

  it('a freeze of a key holds back its children, and ends what they run', async () => {
    const { gateway, admin, parent } = await startFamily();
    const child = await childOf(parent, parent);
    const grandchild = await childOf(child, child, { calls: 3 });
    const { body: run } = await grandchild.post<RunEnvelope>('/run', { command: 'sleeper' }, { prefer: 'respond-async' });
    await eventually(async () => (await grandchild.get<RunEnvelope>(`/runs/${run.id}`)).body.status === 'running');
    const freeze = await admin.request<{ stopped: number }>('PUT', '/freezes', {
      body: { target: { key: idOf(parent) }, mode: 'stop', reason: 'an incident' },
    });
    expect(freeze.body.stopped).toBe(1);
    await eventually(async () => (await admin.get<RunEnvelope>(`/runs/${run.id}`)).body.status === 'cancelled');
    for (const caller of [parent, child, grandchild])
      expect((await caller.refused({ command: 'show', args: { value: 'x' } })).code).toBe('frozen');
    expect((await gateway.with(await gateway.newKey()).run('show', { value: 'x' })).status).toBe('succeeded');
  });
});
