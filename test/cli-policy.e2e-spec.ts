import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import type { CreatedKeyView, KeyView } from '../src/auth/auth.schemas.js';
import type { Page } from '../src/domain/audit.js';
import type { Explanation, Freeze } from '../src/domain/policy.js';
import type { WaitingView } from '../src/runs/approval.controller.js';
import type { PlanView } from '../src/runs/plan-view.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command, show } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Finished, type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { stopWarmCli } from './kit/warm-cli.js';

afterEach(removeHomes);
afterAll(stopWarmCli);

const commands = {
  show: { ...show, phrases: ['show {value}'] },
  'print.both': command({ script: { interpreter: 'sh', text: 'echo out; echo err >&2' } }),
  'print.json': command({
    exec: ['printf', '%s %s %s', '{count}', '{all}', '{tree}'],
    params: { count: { type: 'integer' }, all: { type: 'boolean' }, tree: { type: 'json' } },
  }),
};
const home = () => programHome({ commands });
const json = <T>({ stdout }: Finished) => JSON.parse(stdout) as T;

describe('sallyport keys, bound', () => {
  it('makes keys from a key and changes keys, here and at a server', async () => {
    const place = home();
    const server = await place.serve();
    const remote = ['--url', await server.url()];
    const asAdmin = { SALLYPORT_KEY: place.adminKey, ADMIN_KEY: undefined, DATA_DIR: '/nonexistent' };
    const admin = await server.as(place.adminKey);
    const parent = (await admin.post<CreatedKeyView>('/auth/token', { name: 'parent', role: 'operator', budget: 9 })).body;
    for (const [where, settings] of [
      [[], {}],
      [remote, asAdmin],
    ] as const) {
      const bound = ['--scope', 'print.*', '--calls', '2', '--pin', 'print.json.count:=3', '--pin', 'print.json.tree=x'];
      const args = ['keys', 'create', 'child', '--parent', parent.id, ...bound, '--json', ...where];
      const child = json<CreatedKeyView>(await place.say(args, settings));
      expect(child).toMatchObject({ parentId: parent.id, scopes: ['print.*'], role: 'operator' });
      expect((await (await server.as(child.key)).get('/auth/me')).body).toMatchObject({
        calls: { limit: 2 },
        budget: { limit: 9 },
        pinned: { 'print.json': { count: 3, tree: 'x' } },
      });
      const change = (...terms: string[]) => place.say(['keys', 'change', child.id, ...terms, '--json', ...where], settings);
      expect(json<KeyView>(await change('--name', 'renamed', '--rate', 'none', '--budget', '4'))).toMatchObject({
        name: 'renamed',
        rate: null,
        budget: 4,
      });
      // What is no number must not turn into "no bound" on its way.
      expect(await change('--budget', 'lots')).toMatchObject({ code: 2, stderr: expect.stringMatching(/budget: /) });
      expect(await change('--budget', 'none')).toMatchObject({ code: 2, stderr: expect.stringMatching(/^forbidden: /) });
      const list = await place.say(['keys', 'list', '--parent', parent.id, ...where], settings);
      expect(list.stdout).toContain(`${child.id}  operator  renamed  expires `);
      expect(list.stdout).not.toContain(parent.id);
    }
  });
});

describe('sallyport plan', () => {
  it('shows what a run would do, here and at a server, where it can be run once', async () => {
    const place = programHome({ commands: { ...commands, touches: command({ exec: ['touch', 'made'], cwd: '.' }) } });
    const server = await place.serve();
    const remote = ['--url', await server.url()];
    const asAdmin = { SALLYPORT_KEY: place.adminKey, ADMIN_KEY: undefined, DATA_DIR: '/nonexistent' };
    const words = ['print.json', 'count=3', 'all=true', 'tree:=[]'];
    const here = json<PlanView>(await place.say(['plan', ...words, '--json']));
    const there = json<PlanView>(await place.say(['plan', ...words, '--json', ...remote], asAdmin));
    expect(here).toMatchObject({ planId: null, expiresAt: null, argv: ['printf', '%s %s %s', '3', 'true', '[]'] });
    const { planId, argv, executable, verdicts } = there;
    expect({ argv, executable, says: verdicts.map(({ says }) => says) }).toEqual({
      argv: here.argv,
      executable: here.executable,
      says: here.verdicts.map(({ says }) => says),
    });
    const byPlan = ['run', '--plan', planId ?? '', ...remote];
    expect(await place.say(byPlan, asAdmin)).toMatchObject({ code: 0, stdout: '3 true []' });
    expect(await place.say(byPlan, asAdmin)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^plan_unknown: /) });
    const text = await place.say(['plan', 'touches']);
    expect(text).toMatchObject({ code: 0, stdout: expect.stringMatching(/^argv {9}"touch" "made"$/m), stderr: '' });
    expect(text.stdout).toMatch(/^allows {3}scope /m);
    expect(existsSync(join(place.folder, 'made'))).toBe(false);
    expect(await place.say(['plan', 'shows'])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^command_unknown: /) });
    expect(await place.say(['plan', '--text', 'show x', '--json', ...remote], asAdmin)).toMatchObject({ code: 0 });
  });
});

describe('sallyport approvals, freeze and explain', () => {
  it('are the doors of the server at --url', async () => {
    const place = programHome({ commands: { ...commands, wipe: { ...command({ exec: ['echo', 'wiped'] }), approval: 'required' } } });
    const server = await place.serve();
    const remote = ['--json', '--url', await server.url()];
    const as = (key: string) => ({ SALLYPORT_KEY: key, ADMIN_KEY: undefined, DATA_DIR: '/nonexistent' });
    const [asker, other] = [await keyOf(server, place, 'asker'), await keyOf(server, place, 'other')];
    const caller = await server.as(asker.key);
    const asked = (await caller.post<RunEnvelope>('/run', { command: 'wipe' })).body;
    expect(asked.status).toBe('awaiting_approval');
    const { items } = json<{ items: WaitingView[] }>(await place.say(['approvals', 'list', ...remote], as(other.key)));
    expect(items).toMatchObject([{ runId: asked.id, command: 'wipe', requestedBy: { id: asker.id } }]);
    const approve = (fingerprint: string, key: string) =>
      place.say(['approvals', 'approve', asked.id, '--fingerprint', fingerprint, ...remote], as(key));
    const fingerprint = items[0]?.fingerprint ?? '';
    expect(await approve(fingerprint, asker.key)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^forbidden: /) });
    expect(await approve('f'.repeat(64), other.key)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^plan_void: /) });
    expect(await approve(fingerprint, other.key)).toMatchObject({ code: 0 });
    const second = (await caller.post<RunEnvelope>('/run', { command: 'wipe' })).body;
    expect((await place.say(['approvals', 'deny', second.id, ...remote], as(other.key))).code).toBe(0);
    await eventually(async () => (await caller.get<RunEnvelope>(`/runs/${asked.id}`)).body.status === 'succeeded');
    await eventually(async () => (await caller.get<RunEnvelope>(`/runs/${second.id}`)).body.status === 'rejected');

    const admin = as(place.adminKey);
    const frozen = await place.say(['freeze', '--command', 'print.*', '--reason', 'a look', '--stop', ...remote], admin);
    const { id } = json<Freeze>(frozen);
    expect(json<Page<Freeze>>(await place.say(['freezes', ...remote], admin)).items).toMatchObject([
      { id, mode: 'stop', reason: 'a look' },
    ]);
    const why = await place.say(['explain', 'print.both', '--key', asker.id, ...remote], admin);
    expect([why.code, json<Explanation>(why).deniedBy]).toEqual([2, 'freeze']);
    // It would not hear of a switch that is thrown behind its back.
    expect(await place.say(['thaw', id])).toMatchObject({ code: 2, stderr: expect.stringContaining('--url') });
    expect((await place.say(['thaw', id, ...remote], admin)).code).toBe(0);
    expect((await caller.get<Explanation>('/explain?command=print.both')).body.allowed).toBe(true);
  });

  it('throw switches of a folder that no server works on, and its next server keeps them', async () => {
    const place = home();
    const made = await place.say(['freeze', '--all', '--reason', 'moving']);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^frz_\w+: all commands are frozen \(drain\)\.\n$/) });
    expect((await place.say(['freezes'])).stdout).toMatch(/^frz_\w+ {2}drain {2}all commands {2}moving\n$/);
    expect(await place.say(['run', 'show', 'value=x'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^frozen: /) });
    expect(await place.say(['explain', 'show'])).toMatchObject({ code: 2, stdout: expect.stringMatching(/^denies {3}freeze /m) });
    expect(await place.say(['plan', 'show', 'value=x'])).toMatchObject({ code: 2, stdout: expect.stringMatching(/^denies {3}freeze /m) });
    const server = await place.serve();
    expect((await (await server.as(place.adminKey)).post('/run', { command: 'show', args: { value: 'x' } })).status).toBe(423);
    await server.end('SIGTERM');
    expect((await place.say(['thaw', /^frz_\w+/.exec(made.stdout)?.[0] ?? ''])).code).toBe(0);
    expect(await place.say(['run', 'show', 'value=x'])).toMatchObject({ code: 0 });
  });
});

async function keyOf(server: Program, place: ProgramHome, name: string): Promise<CreatedKeyView> {
  return (await (await server.as(place.adminKey)).post<CreatedKeyView>('/auth/token', { name, role: 'operator' })).body;
}
