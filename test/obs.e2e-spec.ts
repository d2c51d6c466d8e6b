import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { CommandDescription } from '../src/commands/describe-command.js';
import type { HealthDetails } from '../src/health/health-details.js';
import type { HealthJson } from '../src/health/health-json.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type GatewayOptions, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { type ObsFault, ObsPeer } from './kit/obs-peer.js';

const password = ['horse', 'battery', 'staple'].join('-');
const peers = new Set<ObsPeer>();

async function stopAll(): Promise<void> {
  await stopGateways();
  for (const peer of peers) await peer.stop();
  peers.clear();
}

async function startPeer(secret?: string): Promise<ObsPeer> {
  const peer = await new ObsPeer(secret).start();
  peers.add(peer);
  return peer;
}

interface Setup {
  readonly peer: ObsPeer;
  readonly gateway: TestGateway;
  readonly caller: Caller;
}

async function startBoth(options: GatewayOptions = {}): Promise<Setup> {
  const peer = await startPeer(password);
  const gateway = await startGateway({ ...options, settings: { OBS_URL: peer.url, OBS_PASSWORD: password, ...options.settings } });
  return { peer, gateway, caller: await gateway.as('operator') };
}

const say = async (caller: Caller, text: string) => (await caller.post<RunEnvelope>('/run', { text })).body;
const providerOf = async (caller: Caller) => (await caller.get<HealthDetails>('/health/details')).body.providers['obs'];

/** Answered at once by a peer that is well, and given up soon when not. */
const scene = {
  summary: 'The scene',
  obs: { request: 'GetCurrentProgramScene' },
  effect: 'read',
  timeout: '5s',
  output: { parse: 'json' },
};
const stats = { ...scene, summary: 'Load', obs: { request: 'GetStats' }, timeout: '200ms' };

describe('OBS commands', () => {
  afterEach(stopAll);

  it('see and switch scenes, sources, recording and stream, by phrase, over one connection with a password', async () => {
    const { peer, caller } = await startBoth();
    expect(await say(caller, 'list scenes')).toMatchObject({
      command: 'obs.scenes',
      status: 'succeeded',
      outcome: { kind: 'exited', code: 0 },
      parsed: { currentProgramSceneName: 'Desk', scenes: [{ sceneName: 'Desk' }, { sceneName: 'Live on Stage' }] },
    });
    expect(await say(caller, 'switch to scene Live on Stage')).toMatchObject({ command: 'obs.switch', stdout: '{}\n', parsed: {} });
    expect(peer.studio.scene).toBe('Live on Stage');
    expect((await say(caller, 'list inputs')).parsed).toMatchObject({ inputs: [{ inputName: 'Mic' }, { inputName: 'Desktop Audio' }] });
    await say(caller, 'mute Desktop Audio');
    await say(caller, 'set volume of Mic to -6.5 dB');
    expect([...peer.studio.inputs.values()]).toEqual([
      { muted: false, db: -6.5 },
      { muted: true, db: 0 },
    ]);
    await say(caller, 'unmute Desktop Audio');
    expect(peer.studio.inputs.get('Desktop Audio')).toMatchObject({ muted: false });
    for (const [text, state] of [
      ['start recording', 'on'],
      ['pause recording', 'paused'],
      ['resume recording', 'on'],
    ] as const) {
      expect(await say(caller, text)).toMatchObject({ status: 'succeeded' });
      expect(peer.studio.recording).toBe(state);
    }
    expect((await say(caller, 'stop recording')).parsed).toEqual({ outputPath: '/videos/one.mkv' });
    await say(caller, 'start streaming');
    await say(caller, 'start virtual camera');
    expect((await say(caller, 'obs status')).parsed).toMatchObject({
      GetStats: { activeFps: 60 },
      GetCurrentProgramScene: { sceneName: 'Live on Stage' },
      GetRecordStatus: { outputActive: false },
      GetStreamStatus: { outputActive: true },
    });
    expect((await say(caller, 'stop streaming')).status).toBe('succeeded');
    expect(peer.studio).toMatchObject({ streaming: false, camera: true });
    expect((await say(caller, 'obs version')).parsed).toMatchObject({ obsWebSocketVersion: '5.5.4' });
    expect([peer.connections, peer.identified]).toMatchObject([1, [{ rpcVersion: 1, eventSubscriptions: 0 }]]);
  });

  it('show and hide an item of a scene by the name of its source, whose id is looked up', async () => {
    const { peer, caller } = await startBoth();
    const args = { scene: 'Live on Stage', source: 'Wide Shot' };
    expect(await caller.run('obs.show', args)).toMatchObject({ status: 'succeeded' });
    expect(peer.requests).toEqual([
      { type: 'GetSceneItemId', data: { sceneName: 'Live on Stage', sourceName: 'Wide Shot' } },
      { type: 'SetSceneItemEnabled', data: { sceneName: 'Live on Stage', sceneItemId: 9, sceneItemEnabled: true } },
    ]);
    expect((await caller.run('obs.items', { scene: args.scene })).parsed).toMatchObject({ sceneItems: [{ sceneItemEnabled: true }] });
    await say(caller, 'hide "Wide Shot" in scene Live on Stage');
    expect(peer.studio.scenes.get(args.scene)).toMatchObject([{ enabled: false }]);
    const unknown = await caller.run('obs.hide', { ...args, source: 'Nothing' });
    expect(unknown).toMatchObject({
      status: 'failed',
      stderr: expect.stringMatching(/^OBS refuses with status 600: No scene items were found/),
    });
    expect(peer.requests.at(-1)?.type).toBe('GetSceneItemId');
  });

  it.each([
    ['obs.switch', { scene: 'Nowhere' }, 'OBS refuses with status 600: No source was found by the name of `Nowhere`.\n'],
    ['obs.record.stop', {}, 'OBS refuses with status 501.\n'],
    ['toggle', {}, 'OBS refuses with status 204: Your request type is not valid.\n'],
  ])('end with code 1 and the words of OBS when it refuses: %s', async (name, args, stderr) => {
    const toggle = { summary: 'Toggles', obs: { request: 'ToggleInputMute', data: { inputName: 'Mic' } }, effect: 'change' };
    const { caller } = await startBoth(name === 'toggle' ? { commands: { toggle } } : {});
    expect(await caller.run(name, args)).toMatchObject({ status: 'failed', outcome: { kind: 'exited', code: 1 }, stdout: '', stderr });
  });

  it('are off until OBS_URL is set, say so in the list, and are refused before anything starts', async () => {
    const gateway = await startGateway();
    const caller = await gateway.as('operator');
    const { items } = (await caller.get<{ items: readonly CommandDescription[] }>('/commands')).body;
    const off = items.filter(({ executor }) => executor === 'obs');
    expect(off.filter(({ available }) => available)).toEqual([]);
    expect(off.length).toBeGreaterThan(20);
    // So do the other samples that need something of the operator.
    const others = items.filter(({ available, executor }) => !available && executor !== 'obs').map(({ name, reason }) => [name, reason]);
    expect(others).toEqual([
      ['agents.assistant', expect.stringContaining('LLM_URL')],
      ['http.check', expect.stringContaining('CHECK_URL')],
      ...['llm.ask', 'llm.classify', 'llm.summarise'].map((name) => [name, expect.stringContaining('LLM_URL')]),
    ]);
    expect(new Set(off.map(({ reason }) => reason))).toEqual(new Set([expect.stringContaining('OBS_URL')]));
    expect(items.find(({ name }) => name === 'greet')).toMatchObject({ available: true, reason: null });
    for (const path of ['/run', '/plan'])
      expect(await caller.post(path, { text: 'start recording' })).toMatchObject({
        status: 503,
        body: { code: 'executor_unavailable', detail: expect.stringContaining('OBS_URL') },
      });
    expect((await caller.get<{ items: unknown[] }>('/runs')).body.items).toEqual([]);
    expect(await providerOf(caller)).toMatchObject({ status: 'ok', measured: [{ name: 'configured', value: false }] });
    expect((await caller.get<HealthDetails>('/health/details')).body.status).toBe('healthy');
  });

  it('open no connection before the first is run, and close it when the gateway stops', async () => {
    const { peer, gateway, caller } = await startBoth({ commands: { scene } });
    await caller.get('/commands');
    expect(peer.connections).toBe(0);
    await caller.run('scene');
    expect(peer.open).toBe(1);
    await gateway.stop();
    await eventually(() => peer.open === 0);
  });

  it('share one connection when a hundred are run at once, and each gets its own answer', async () => {
    const { peer, caller } = await startBoth({ commands: { scene, load: { ...stats, timeout: '5s' } } });
    const runs = await Promise.all(
      Array.from({ length: 100 }, async (_, place) => [place, await caller.run(place % 2 ? 'scene' : 'load')] as const),
    );
    for (const [place, { parsed }] of runs) expect(parsed).toMatchObject(place % 2 ? { sceneName: 'Desk' } : { activeFps: 60 });
    expect(peer.connections).toBe(1);
  });
});

describe('an OBS that is not well', () => {
  let peer: ObsPeer;
  let caller: Caller;

  beforeAll(async () => ({ peer, caller } = await startBoth({ commands: { scene, stats } })));
  afterAll(stopAll);
  beforeEach(async () => {
    [peer.fault, peer.faultyRequest] = [undefined, undefined];
    await peer.dropAll();
    peer.connections = 0;
  });

  it.each<[ObsFault, RegExp]>([
    ['redirects', /^What answers at OBS_URL is not obs-websocket 5\.\n$/],
    ['speaks_no_subprotocol', /^What answers at OBS_URL is not obs-websocket 5\.\n$/],
    ['closes_before_hello', /^OBS cannot be reached: it closed the connection at its start\.\n$/],
    ['closes_in_a_request', /^The connection to OBS was lost\. What was asked may have been done\.\n$/],
    ['cuts_in_a_request', /^The connection to OBS was lost\. What was asked may have been done\.\n$/],
    ['answers_without_status', /^OBS answered with something that is not obs-websocket 5\.\n$/],
  ])('that %s fails the run with the reason, and serves the next when it is well again', async (fault, reason) => {
    peer.fault = fault;
    const failed = await caller.run('scene');
    expect(failed).toMatchObject({
      status: 'failed',
      outcome: { kind: 'exited', code: 1 },
      stdout: '',
      stderr: expect.stringMatching(reason),
    });
    peer.fault = undefined;
    expect(await caller.run('scene')).toMatchObject({ status: 'succeeded', parsed: { sceneName: 'Desk' } });
  });

  it.each<ObsFault>(['accepts_and_says_nothing', 'says_no_hello', 'says_garbage_for_hello', 'never_identifies'])(
    'that %s costs a run no more than its time, and the next finds it well',
    async (fault) => {
      peer.fault = fault;
      expect(await caller.run('stats')).toMatchObject({ status: 'timed_out', outcome: { kind: 'timed_out', afterMs: 200 } });
      peer.fault = undefined;
      await peer.dropAll();
      expect(await caller.run('scene')).toMatchObject({ status: 'succeeded' });
    },
  );

  it('is given up after three seconds when nothing answers, with the reason', async () => {
    peer.fault = 'accepts_and_says_nothing';
    expect(await caller.run('scene')).toMatchObject({
      status: 'failed',
      stderr: 'OBS cannot be reached: no answer from OBS_URL within 3 s.\n',
    });
    await eventually(() => peer.open === 0);
  });

  it.each<ObsFault>(['never_answers', 'answers_garbage', 'answers_another_request'])(
    'that %s times one request out and holds up no other; later ones take a fresh connection',
    async (fault) => {
      [peer.fault, peer.faultyRequest] = [fault, 'GetStats'];
      const [hung, well] = await Promise.all([caller.run('stats'), caller.run('scene')]);
      expect([hung, well]).toMatchObject([{ status: 'timed_out' }, { status: 'succeeded' }]);
      expect(await caller.run('scene')).toMatchObject({ status: 'succeeded' });
      await eventually(() => peer.open === 1);
      expect(peer.connections).toBe(2);
    },
  );

  it('lets a run be cancelled while it waits', async () => {
    peer.fault = 'never_answers';
    const asked = peer.requests.length;
    const { body } = await caller.post<RunEnvelope>('/run', { command: 'scene' }, { prefer: 'respond-async' });
    await eventually(() => peer.requests.length > asked);
    await caller.post(`/runs/${body.id}/cancel`);
    const ended = await eventually(async () => {
      const { body: run } = await caller.get<RunEnvelope>(`/runs/${body.id}`);
      return run.status === 'cancelled' && run;
    });
    expect(ended.outcome).toMatchObject({ kind: 'cancelled' });
  });

  it('is tried again with pauses, so that its restart costs no run; without it, the run says that nothing answers', async () => {
    await caller.run('scene');
    await peer.stop();
    expect(await caller.run('scene')).toMatchObject({
      status: 'failed',
      stderr: expect.stringMatching(/^OBS cannot be reached: nothing answers/),
    });
    peer.fault = 'closes_before_hello';
    await peer.start();
    const waiting = caller.run('scene');
    await eventually(() => peer.connections > 1);
    peer.fault = undefined;
    expect(await waiting).toMatchObject({ status: 'succeeded' });
  });

  it('that was switched off and on meanwhile is connected to anew by the next run', async () => {
    await caller.run('scene');
    await peer.dropAll();
    expect(await caller.run('scene')).toMatchObject({ status: 'succeeded' });
    expect(peer.connections).toBe(2);
  });

  it('shows in health, and never in readiness', async () => {
    const configured = { name: 'configured', value: true };
    expect(await providerOf(caller)).toMatchObject({ status: 'ok', measured: [configured, { name: 'state', value: 'reachable' }] });
    await peer.stop();
    // The first look may come while the end of the old connection is still on its way.
    await eventually(async () => {
      const { body } = await caller.get<HealthDetails>('/health/details');
      const [status, reason] = ['warning', expect.stringContaining('nothing answers')];
      const obs = { status, reason, critical: false, measured: [configured, { name: 'state', value: 'unreachable' }] };
      expect(body).toMatchObject({ status: 'degraded', providers: { obs } });
      const asHealthJson = { accept: 'application/health+json' };
      const { checks } = (await caller.get<HealthJson>('/health/details', asHealthJson)).body;
      expect(checks?.['obs:state']).toMatchObject([{ observedValue: 'unreachable', status: 'warn' }]);
      return true;
    });
    expect((await caller.get('/ready')).status).toBe(200);
    await peer.start();
  });
});

describe('the password of OBS', () => {
  afterEach(stopAll);

  const folder = mkdtempSync(join(tmpdir(), 'obs-password-'));
  const wrong = ['wrong', 'battery', 'staple'].join('-');

  it.each([
    ['is wrong', wrong],
    ['is missing', undefined],
  ])('that %s is refused once, without further tries, and stands nowhere', async (_, given) => {
    const peer = await startPeer(password);
    const lines: string[] = [];
    const gateway = await startGateway({
      settings: { OBS_URL: peer.url, LOG_LEVEL: 'trace', ...(given ? { OBS_PASSWORD: given } : {}) },
      onLog: (line) => void lines.push(line),
    });
    const caller = await gateway.as('admin');
    const run = await caller.run('obs.record.start');
    expect(run).toMatchObject({ status: 'failed', stderr: 'OBS refuses the password: look at OBS_PASSWORD.\n' });
    expect(peer.connections).toBe(1);
    const seen: unknown[] = [run, (await caller.post('/plan', { command: 'obs.record.start' })).body];
    for (const path of ['/runs', `/runs/${run.id}`, '/commands', '/config', '/audit', '/health/details', '/metrics'])
      seen.push((await caller.get(path)).body);
    expect(JSON.stringify(seen)).toContain('obs.record.start');
    expect(`${JSON.stringify(seen)}${lines.join('')}`).not.toContain(wrong);
    expect(lines.length).toBeGreaterThan(3);
  });

  it('is read from the file that OBS_PASSWORD_FILE names, and never sent', async () => {
    const peer = await startPeer(password);
    const file = join(folder, 'password');
    writeFileSync(file, `${password}\n`);
    const gateway = await startGateway({ settings: { OBS_URL: peer.url, OBS_PASSWORD_FILE: file } });
    expect(await (await gateway.as('operator')).run('obs.scene')).toMatchObject({ status: 'succeeded' });
    expect(JSON.stringify(peer.identified)).not.toContain(readFileSync(file, 'utf8').trim());
    rmSync(folder, { recursive: true });
  });

  it.each(['http://127.0.0.1:4455', 'ws://user:word@127.0.0.1', 'ws://127.0.0.1/?a=b', 'ws://127.0.0.1/#a', '127.0.0.1:4455', 'ws://'])(
    'comes with an address of obs-websocket and nothing else: %s is refused',
    async (url) => {
      await expect(startGateway({ settings: { OBS_URL: url } })).rejects.toThrow(
        /OBS_URL \(environment\): expected an address such as ws:/,
      );
    },
  );
});
