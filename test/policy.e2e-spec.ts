import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import { FreezeBook } from '../src/runs/freeze-book.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import type { PlanView } from '../src/runs/plan-view.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { temporaryFolder } from './kit/catalogue-of.js';
import { command, show, sleeper, witness } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';

afterEach(stopGateways);

const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');
const digestOf = (argv: readonly string[]) => sha256(`${argv.join('\0')}\0`);
const plan = async (caller: Caller, body: unknown) => (await caller.post<PlanView>('/plan', body)).body;
const audit = async (gateway: TestGateway, action: string) =>
  (await (await gateway.as('admin')).get<Page<AuditEntry>>(`/audit?limit=100&action=${action}`)).body.items;

describe('a plan', () => {
  it('shows what would be started and starts nothing', async () => {
    const folder = temporaryFolder();
    const gateway = await startGateway({ commands: { leaves: witness(join(folder, 'marks')) } });
    const shown = await plan(await gateway.as('operator'), { command: 'leaves', args: { mark: 'planned' } });
    const file = String(shown.executable?.path);
    expect(shown).toMatchObject({
      planId: expect.stringMatching(/^plan_/),
      command: 'leaves',
      args: { mark: 'planned' },
      executable: { sha256: sha256(readFileSync(file)) },
      argv: [file, join(folder, 'marks'), 'planned'],
      environment: ['HOME', 'LANG', 'PATH'],
      cwd: '/',
      sandbox: { profile: 'host' },
    });
    expect(shown.verdicts.map(({ rule, says }) => `${rule} ${says}`)).toEqual(
      expect.arrayContaining(['scope allows', 'role allows', 'freeze allows', 'approval allows']),
    );
    expect(gateway.launches).toEqual([]);
    expect(existsSync(join(folder, 'marks'))).toBe(false);
  });

  it('is what the run then starts and the audit log then says, whatever the arguments [A13]', async () => {
    const commands = {
      show,
      many: command({
        exec: ['printf', String.raw`%s\0`, '--a={a}', { if: 'flag', add: ['--flag', '{b}'] }, '{c}'],
        params: {
          a: { type: 'string', default: 'x' },
          b: { type: 'integer', optional: true },
          c: { type: 'enum', values: ['one', 'two'] },
          flag: { type: 'boolean', default: false },
        },
        env: { GIVEN: '{a}', FIXED: 'yes' },
      }),
    };
    const gateway = await startGateway({ commands });
    const caller = await gateway.as('operator');
    const line = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => !text.startsWith('-'));
    const request = fc.oneof(
      fc.record({ command: fc.constant('show'), args: fc.record({ value: line }) }),
      fc.record({
        command: fc.constant('many'),
        args: fc.record({ a: line, b: fc.nat(99), c: fc.constantFrom('one', 'two'), flag: fc.boolean() }, { requiredKeys: ['c'] }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const before = gateway.launches.length;
        const planned = await caller.post<PlanView>('/plan', asked);
        expect(gateway.launches.length).toBe(before);
        const ran = await caller.post<RunEnvelope>('/run', asked);
        expect([ran.status === 200, planned.status === 200]).toEqual([planned.status === 200, planned.status === 200]);
        if (planned.status !== 200) return;
        const { argv, argvDigest, environment, cwd, executable, args } = planned.body;
        const launched = gateway.launches.at(-1);
        expect({ argv, cwd, file: executable?.path, environment }).toEqual({
          argv: launched?.argv,
          cwd: launched?.cwd,
          file: launched?.file,
          environment: Object.keys(launched?.env ?? {})
            .filter((name) => name !== 'TRACEPARENT')
            .sort(),
        });
        expect(ran.body.args).toEqual(args);
        const [intent] = await audit(gateway, 'run.intent');
        expect(intent).toMatchObject({ subject: ran.body.id, details: { argvDigest } });
        expect(digestOf(launched?.argv ?? [])).toBe(argvDigest);
      }),
      { numRuns: 40 },
    );
  });

  it('takes the permissions of a run and hides what a run hides [T24] [T35]', async () => {
    const gateway = await startGateway({ commands: { show, secretive: command({ exec: ['true'], role: 'admin' }) } });
    expect((await (await gateway.as('readonly')).post('/plan', { command: 'show' })).status).toBe(403);
    const narrow = await gateway.as('operator', ['other.*']);
    const [hidden, absent] = [
      await narrow.post<Problem>('/plan', { command: 'show' }),
      await narrow.post<Problem>('/plan', { command: 'shop' }),
    ];
    expect({ ...hidden.body, requestId: '', traceId: '' }).toEqual({ ...absent.body, requestId: '', traceId: '' });
    expect((await (await gateway.as('operator')).post('/plan', { command: 'secretive' })).status).toBe(403);
    expect((await gateway.anonymous().post('/plan', { command: 'show' })).status).toBe(401);
    expect((await (await gateway.as('operator')).post('/plan', { command: 'show', args: { no: 1 } })).status).toBe(400);
    expect(gateway.launches).toEqual([]);
  });

  it('shows no secret anywhere', async () => {
    const gateway = await startGateway({
      commands: {
        login: command({
          exec: ['true', '{file}'],
          params: { token: { type: 'secret' }, file: { type: 'secret', via: 'file' } },
          env: { TOKEN: '{token}' },
        }),
      },
    });
    const [token, file] = [randomBytes(12).toString('hex'), randomBytes(12).toString('hex')];
    const answer = await (await gateway.as('operator')).post<PlanView>('/plan', { command: 'login', args: { token, file } });
    expect(answer.body).toMatchObject({
      args: { token: '«secret»' },
      environment: expect.arrayContaining(['TOKEN']),
      argv: ['true', '{file:file}'],
    });
    expect(JSON.stringify(answer.body)).not.toContain(token);
    expect(JSON.stringify(answer.body)).not.toContain(file);
  });

  it('runs once, for the one who made it, as long as it lasts', async () => {
    const gateway = await startGateway({ commands: { show }, settings: { PLAN_EXPIRY: '600ms' } });
    const [caller, other] = [await gateway.as('operator'), gateway.with(await gateway.newKey())];
    const { planId } = await plan(caller, { command: 'show', args: { value: 'this' } });
    expect((await other.post<Problem>('/run', { planId })).body.code).toBe('plan_unknown');
    const both = await Promise.all([1, 2].map(() => caller.post<RunEnvelope>('/run', { planId })));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 404]);
    expect(both.find(({ status }) => status === 200)?.body.stdout).toBe('this\0');
    expect(gateway.launches).toHaveLength(1);
    const late = await plan(caller, { command: 'show', args: { value: 'late' } });
    await eventually(
      async () =>
        (await caller.refused({ planId: String(late.planId) } as never)).code === 'plan_unknown' &&
        Date.now() > Date.parse(String(late.expiresAt)),
    );
    expect(gateway.launches.length).toBeLessThanOrEqual(2);
  });

  it('is void when its command is declared anew, its program replaced, or its path leads elsewhere', async () => {
    const folder = temporaryFolder();
    for (const name of ['a', 'b']) mkdirSync(join(folder, name));
    const link = join(folder, 'link');
    symlinkSync(join(folder, 'a'), link);
    const program = join(folder, 'program');
    copyFileSync('/bin/true', program);
    const look = (summary: string) => command({ summary, exec: [program, '{place}'], params: { place: { type: 'path', root: folder } } });
    const gateway = await startGateway({ commands: { look: look('first') } });
    const caller = await gateway.as('operator');
    const attempt = async (change: () => unknown) => {
      const { planId } = await plan(caller, { command: 'look', args: { place: 'link' } });
      await change();
      return (await caller.post<Problem>('/run', { planId })).body.code;
    };
    expect(await attempt(() => undefined)).toBeUndefined();
    expect(
      await attempt(() => {
        rmSync(link);
        symlinkSync(join(folder, 'b'), link);
      }),
    ).toBe('plan_void');
    expect(
      await attempt(() => {
        rmSync(program);
        copyFileSync('/bin/echo', program);
      }),
    ).toBe('plan_void');
    const file = join(gateway.folder, 'commands/test.yaml');
    const reload = () => {
      writeFileSync(file, readFileSync(file, 'utf8').replace('first', 'second'));
      return gateway.server.gateway.parts.catalogue.reload();
    };
    expect(await attempt(reload)).toBe('plan_void');
    expect(gateway.launches).toHaveLength(1);
  });

  it('is the same for the same idempotency key, and its run too [D5]', async () => {
    const gateway = await startGateway({ commands: { show } });
    const caller = await gateway.as('operator');
    const ask = (value: string) => caller.post<PlanView>('/plan', { command: 'show', args: { value } }, { 'idempotency-key': 'mine' });
    const [first, second] = await Promise.all([ask('a'), ask('a')]);
    expect(second.body.planId).toBe(first.body.planId);
    expect((await ask('b')).status).toBe(422);
    const run = () => caller.post<RunEnvelope>('/run', { planId: first.body.planId }, { 'idempotency-key': 'run' });
    expect((await run()).body.id).toBe((await run()).body.id);
    expect(gateway.launches).toHaveLength(1);
  });
});

describe('a run that needs approval', () => {
  const wipe = (marks: string) => ({ wipe: { ...witness(marks), effect: 'destroy', role: 'operator' }, show });
  const park = async (caller: Caller, args = { mark: 'done' }) => {
    const answer = await caller.post<RunEnvelope>('/run', { command: 'wipe', args });
    expect([answer.status, answer.body.status]).toEqual([202, 'awaiting_approval']);
    return answer.body.id;
  };
  const waiting = async (caller: Caller) =>
    (await caller.get<Page<{ runId: string; fingerprint: string; argv: string[] }>>('/approvals')).body.items;
  const approve = async (caller: Caller, id: string) => {
    const fingerprint = (await waiting(caller)).find(({ runId }) => runId === id)?.fingerprint ?? 'none';
    return caller.post<Problem>(`/approvals/${id}/approve`, { fingerprint });
  };
  const ended = (caller: Caller, id: string) =>
    eventually(async () => {
      const { body } = await caller.get<RunEnvelope>(`/runs/${id}`);
      return body.outcome !== null && body;
    });
  const start = async (settings: Record<string, string> = {}, dataDir?: string) => {
    const marks = join(temporaryFolder(), 'marks');
    const gateway = await startGateway({ commands: wipe(marks), settings, ...(dataDir === undefined ? {} : { dataDir }) });
    return { gateway, marks, requester: await gateway.as('operator'), other: gateway.with(await gateway.newKey()) };
  };

  it('waits without a slot until somebody else approves exactly that', async () => {
    const { gateway, requester, other } = await start({ MAX_CONCURRENT_RUNS: '1', QUEUE_LIMIT: '0' });
    const id = await park(requester);
    expect((await requester.run('show', { value: 'x' })).status).toBe('succeeded');
    const before = gateway.launches.length;
    const [item] = await waiting(other);
    expect(item).toMatchObject({ runId: id, argv: expect.arrayContaining(['done']) });
    expect((await other.post<Problem>(`/approvals/${id}/approve`, { fingerprint: 'another' })).body.code).toBe('plan_void');
    expect((await approve(other, id)).status).toBe(200);
    expect(await ended(requester, id)).toMatchObject({ status: 'succeeded' });
    expect(gateway.launches.length).toBe(before + 1);
    expect(gateway.launches.at(-1)?.argv).toEqual(item?.argv);
    expect((await approve(other, id)).status).toBe(404);
    expect(await audit(gateway, 'approval.granted')).toMatchObject([{ subject: id, details: { fingerprint: item?.fingerprint } }]);
  });

  it('starts once when many approve at once [A12]', async () => {
    const { gateway, requester, other } = await start();
    const id = await park(requester);
    const third = gateway.with(await gateway.newKey());
    const answers = await Promise.all([other, third, other, third].map((caller) => approve(caller, id)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    await ended(requester, id);
    expect(gateway.launches).toHaveLength(1);
  });

  it('is not approved by its requester, by keys it made, by siblings, or by who may not run it [A12]', async () => {
    const { gateway } = await start();
    const mint = async (maker: Caller) => {
      const { status, body } = await maker.post<{ key: string }>('/auth/token', { name: 'minted', role: 'operator' });
      expect(status).toBe(201);
      return gateway.with(body.key);
    };
    const admin = gateway.with(await gateway.newKey({ role: 'admin' }));
    const child = await mint(admin);
    const id = await park(admin);
    expect((await approve(admin, id)).status).toBe(403);
    expect((await approve(child, id)).status).toBe(403);
    expect((await approve(gateway.with(await gateway.newKey({ scopes: ['show'] })), id)).status).toBe(404);
    expect((await gateway.with(await gateway.newKey({ role: 'readonly' })).get('/approvals')).status).toBe(403);
    expect(gateway.launches).toEqual([]);
    expect(await audit(gateway, 'approval.refused')).toHaveLength(2);
    expect((await approve(gateway.with(await gateway.newKey()), id)).status).toBe(200);
    const theirs = await park(child);
    expect((await approve(admin, theirs)).status).toBe(200);
    await ended(admin, theirs);
  });

  it('ends as rejected when it is denied or nobody comes', async () => {
    const { gateway, requester, other } = await start({ APPROVAL_EXPIRY: '400ms' });
    const denied = await park(requester);
    expect((await other.post(`/approvals/${denied}/deny`, {})).status).toBe(200);
    expect((await ended(requester, denied)).outcome).toEqual({ kind: 'rejected', reason: 'approval_denied' });
    const late = await park(requester);
    expect((await ended(requester, late)).outcome).toEqual({ kind: 'rejected', reason: 'approval_expired' });
    expect((await approve(other, late)).status).toBe(404);
    expect(gateway.launches).toEqual([]);
  });

  it('is void when its requester is revoked or its declaration replaced meanwhile [A12]', async () => {
    const { gateway, other } = await start();
    const key = await gateway.newKey();
    const id = await park(gateway.with(key));
    expect((await (await gateway.as('admin')).request('DELETE', `/auth/keys/${key.split('_')[1]}`)).status).toBe(204);
    expect((await approve(other, id)).body.code).toBe('plan_void');
    expect(await ended(await gateway.as('admin'), id)).toMatchObject({ outcome: { kind: 'rejected', reason: 'plan_void' } });
    const requester = await gateway.as('operator');
    const second = await park(requester);
    const file = join(gateway.folder, 'commands/test.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('Serves a test', 'Serves another'));
    await gateway.server.gateway.parts.catalogue.reload();
    expect((await approve(other, second)).body.code).toBe('plan_void');
    expect((await ended(requester, second)).outcome).toEqual({ kind: 'rejected', reason: 'plan_void' });
    expect(gateway.launches).toEqual([]);
  });

  it('is told in batches and streams, and can be cancelled', async () => {
    const { requester, other, gateway } = await start();
    const { body } = await requester.post<{ items: BatchItem[] }>('/batch', {
      items: [{ command: 'wipe' }, { command: 'show', args: { value: 'x' } }],
    });
    expect(body.items).toMatchObject([{ run: { status: 'awaiting_approval' } }, { run: { status: 'succeeded' } }]);
    const [parked] = await waiting(requester);
    expect((await requester.post(`/runs/${parked?.runId}/cancel`)).status).toBe(202);
    expect(await ended(requester, String(parked?.runId))).toMatchObject({ status: 'cancelled', startedAt: null });
    const events = requester.stream({ command: 'wipe' });
    const [next] = await eventually(async () => (await waiting(other)).length > 0 && waiting(other));
    expect((await approve(other, String(next?.runId))).status).toBe(200);
    expect((await events).map(({ event }) => event)).toEqual(['run.awaiting_approval', 'run.started', 'run.finished']);
    expect(gateway.launches).toHaveLength(2);
  });

  it('does not outlive its gateway', async () => {
    const dataDir = join(temporaryFolder(), 'data');
    const first = await start({}, dataDir);
    const id = await park(first.requester);
    const key = String(first.requester.key);
    await first.gateway.stop({ keepData: true });
    const second = await start({}, dataDir);
    const { body } = await second.gateway.with(key).get<RunEnvelope>(`/runs/${id}`);
    expect(body).toMatchObject({ status: 'cancelled', outcome: { by: 'shutdown' }, startedAt: null });
    expect(await waiting(second.gateway.with(key))).toEqual([]);
  });
});

describe('a freeze', () => {
  const reason = 'an incident';
  const freeze = (caller: Caller, target: unknown, mode = 'drain') =>
    caller.request<{ id: string; stopped: number } & Problem>('PUT', '/freezes', { body: { target, mode, reason } });

  it('holds back everything, commands, or a key, until it is lifted, over a restart too', async () => {
    const dataDir = join(temporaryFolder(), 'data');
    const commands = { show, 'other.true': command({ exec: ['true'] }) };
    const gateway = await startGateway({ commands, dataDir });
    const [admin, caller, narrow] = [await gateway.as('admin'), await gateway.as('operator'), gateway.with(await gateway.newKey())];
    const codes = async () =>
      Promise.all(
        [
          caller.post<Problem>('/run', { command: 'show', args: { value: 'x' } }),
          caller.post<Problem>('/run', { command: 'other.true' }),
          narrow.post<Problem>('/run', { command: 'other.true' }),
        ].map(async (answer) => (await answer).status),
      );
    for (const [target, expected] of [
      [{ all: true }, [423, 423, 423]],
      [{ command: 'other.*' }, [200, 423, 423]],
      [{ key: String(narrow.key).split('_')[1] }, [200, 200, 423]],
    ] as const) {
      const { body } = await freeze(admin, target);
      expect([target, await codes()]).toEqual([target, expected]);
      expect((await admin.request('DELETE', `/freezes/${body.id}`)).status).toBe(204);
      expect(await codes()).toEqual([200, 200, 200]);
    }
    await freeze(admin, { command: 'show' });
    expect((await freeze(admin, { command: 'show' }, 'stop')).status).toBe(200);
    const problem = await caller.refused({ command: 'show', args: { value: 'x' } });
    expect(problem).toMatchObject({ code: 'frozen', detail: expect.stringContaining(reason) });
    const text = await caller.post<{ items: unknown[] }>('/batch', { items: [{ command: 'show', args: { value: 'x' } }] });
    expect(text.body.items).toMatchObject([{ problem: { code: 'frozen' } }]);
    expect(await plan(caller, { command: 'show', args: { value: 'x' } })).toMatchObject({
      planId: null,
      verdicts: expect.arrayContaining([expect.objectContaining({ rule: 'freeze', says: 'denies' })]),
    });
    expect((await admin.get('/health/details')).body).toMatchObject({ status: 'limited', freezes: [{ mode: 'stop', reason }] });
    expect((await audit(gateway, 'freeze.set')).length).toBe(5);
    expect((await audit(gateway, 'run.refused')).every(({ details }) => details['code'] === 'frozen')).toBe(true);
    expect((await freeze(caller, { all: true })).status).toBe(403);
    await gateway.stop({ keepData: true });
    const next = await startGateway({ commands, dataDir });
    expect((await next.with(String(caller.key)).refused({ command: 'show', args: { value: 'x' } })).code).toBe('frozen');
    expect(next.server.app.get(FreezeBook).list()).toHaveLength(1);
  });

  it('ends what runs when it is told to stop, and lets it run on when it drains', async () => {
    const gateway = await startGateway({ commands: { sleeper, show } });
    const [admin, caller] = [await gateway.as('admin'), await gateway.as('operator')];
    const { body } = await caller.post<RunEnvelope>('/run', { command: 'sleeper' }, { prefer: 'respond-async' });
    const status = async () => (await caller.get<RunEnvelope>(`/runs/${body.id}`)).body.status;
    await eventually(async () => (await status()) === 'running');
    expect((await freeze(admin, { command: 'sleeper' })).body.stopped).toBe(0);
    expect(await status()).toBe('running');
    expect((await freeze(admin, { all: true }, 'stop')).body.stopped).toBe(1);
    await eventually(async () => (await status()) === 'cancelled');
  });
});

describe('an explanation', () => {
  it('names the rule that allows or denies a key a command; others than admins ask about themselves', async () => {
    const commands = { show, grave: command({ exec: ['true'], effect: 'destroy' }), 'far.off': command({ exec: ['true'] }) };
    const gateway = await startGateway({ commands });
    const [admin, caller] = [await gateway.as('admin'), await gateway.as('operator', ['show', 'grave'])];
    const id = String(caller.key).split('_')[1] ?? '';
    const ask = async (asker: Caller, query: string) => (await asker.get<Record<string, unknown>>(`/explain?${query}`)).body;
    expect(await ask(caller, 'command=show')).toMatchObject({ allowed: true, deniedBy: null, keyId: id });
    expect(await ask(caller, 'command=grave')).toMatchObject({ allowed: false, deniedBy: 'role' });
    expect(await ask(caller, 'command=far.off')).toMatchObject({ code: 'command_unknown' });
    expect(await ask(admin, `command=far.off&key=${id}`)).toMatchObject({ allowed: false, deniedBy: 'scope' });
    expect(await ask(caller, `command=show&key=${String(admin.key).split('_')[1]}`)).toMatchObject({ code: 'forbidden' });
    await admin.request('PUT', '/freezes', { body: { target: { key: id }, reason: 'why' } });
    expect(await ask(admin, `command=show&key=${id}`)).toMatchObject({ allowed: false, deniedBy: 'freeze' });
    await admin.request('DELETE', `/auth/keys/${id}`);
    expect(await ask(admin, `command=show&key=${id}`)).toMatchObject({ allowed: false, deniedBy: 'key' });
    expect(await ask(admin, 'command=show&key=nobody')).toMatchObject({ code: 'key_unknown' });
  });
});

describe('the tripwire on the path', () => {
  it('stops a run at every door, says which rule, counts and audits it', async () => {
    const commands = {
      show,
      eats: command({ exec: ['cat'], params: { text: { type: 'text' } }, stdin: '{text}', phrases: ['eat {text}'] }),
      greet: command({ builtin: 'greet', params: { name: { type: 'string', optional: true } } }),
    };
    const gateway = await startGateway({ commands });
    const caller = await gateway.as('operator');
    const bodies = [
      { command: 'show', args: { value: '; rm -rf / #' } },
      { command: 'eats', args: { text: 'one\nrm -rf /srv\n' } },
      { command: 'greet', args: { name: 'rm -rf /' } },
      { text: 'eat "rm -rf /"' },
    ];
    for (const body of bodies) {
      expect(await caller.refused(body)).toMatchObject({
        code: 'blocked',
        status: 403,
        detail: expect.stringContaining('recursive-deletion'),
      });
      expect((await caller.post<Problem>('/stream', body)).body.code).toBe('blocked');
      expect((await caller.post('/batch', { items: [body] })).body).toMatchObject({ items: [{ problem: { code: 'blocked' } }] });
      expect(await plan(caller, body)).toMatchObject({
        planId: null,
        verdicts: expect.arrayContaining([expect.objectContaining({ rule: 'tripwire', says: 'denies' })]),
      });
    }
    expect(gateway.launches).toEqual([]);
    expect((await caller.get<string>('/metrics')).body).toContain(
      `sallyport_blocked_commands_total{rule="recursive-deletion"} ${3 * bodies.length}`,
    );
    const refusals = await audit(gateway, 'run.refused');
    expect(refusals).toHaveLength(3 * bodies.length);
    expect(refusals[0]).toMatchObject({ subject: 'eats', details: { code: 'blocked', rule: 'recursive-deletion' } });
    expect((await caller.run('show', { value: 'rm one.txt' })).status).toBe('succeeded');
  });

  it('lets through what a command leaves out', async () => {
    const gateway = await startGateway({ commands: { show: { ...show, tripwire: { ignore: ['recursive-deletion'] } } } });
    const caller = await gateway.as('operator');
    expect((await caller.run('show', { value: 'rm -rf /' })).stdout).toBe('rm -rf /\0');
    expect((await caller.refused({ command: 'show', args: { value: 'sudo id' } })).code).toBe('blocked');
  });
});
