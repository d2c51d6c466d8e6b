import { describe, expect, it } from '@jest/globals';
import { OBS_REQUEST_NAMES, OBS_REQUESTS } from '../obs/obs-requests.js';
import { commandOf, mistakesOf } from '../../test/kit/catalogue-of.js';

const change = {
  summary: 'Switches',
  obs: { request: 'SetCurrentProgramScene', data: { sceneName: '{scene}' } },
  params: { scene: { type: 'string' } },
  effect: 'change',
};
const volume = { ...change, obs: { request: 'SetInputVolume', data: { inputName: '{scene}', inputVolumeDb: -6 } } };
const mute = { ...change, obs: { request: 'SetInputMute', data: { inputName: '{scene}', inputMuted: true } } };

describe('a declaration of a request to OBS', () => {
  it('becomes a request with its literals, and with the values of params in their types', async () => {
    const params = { name: { type: 'enum', values: ['Mic', 'Music'] }, db: { type: 'number' } };
    const data = { inputName: '{name}', inputVolumeDb: '{db}' };
    const command = await commandOf({ ...volume, obs: { ...volume.obs, data }, params });
    const { invocation } = await command.prepare({ name: 'Mic', db: -6.5 });
    expect(invocation).toEqual({ kind: 'obs', requests: ['SetInputVolume'], data: { inputName: 'Mic', inputVolumeDb: -6.5 } });
    const fixed = await commandOf(mute);
    expect((await fixed.prepare({ scene: '{scene}' })).invocation).toMatchObject({ data: { inputName: '{scene}', inputMuted: true } });
  });

  it('leaves out a field that may be absent when its param is', async () => {
    const obs = { request: 'GetInputList', data: { inputKind: '{kind}' } };
    const command = await commandOf({ obs, params: { kind: { type: 'string', optional: true } }, effect: 'read' });
    expect((await command.prepare({})).invocation).toEqual({ kind: 'obs', requests: ['GetInputList'], data: {} });
  });

  it('is refused at each call, with what to set, where the gateway has no OBS', async () => {
    const command = await commandOf(change, { off: { obs: 'Set it up.' } });
    expect(command.unavailable).toBe('Set it up.');
    await expect(command.prepare({ scene: 'A' })).rejects.toMatchObject({ code: 'executor_unavailable', message: 'Set it up.' });
    expect((await commandOf({ exec: ['true'] }, { off: { obs: 'Set it up.' } })).unavailable).toBeNull();
  });

  it.each([
    ['a request that is not on the list', { ...change, obs: { request: 'TriggerHotkeyByName' } }, 'expected one of GetVersion'],
    ['effect read for what changes something', { ...change, effect: 'read' }, 'SetCurrentProgramScene changes something'],
    ['a field that the request has not', { ...volume, obs: { ...volume.obs, data: { ...volume.obs.data, x: 1 } } }, 'is no field'],
    ['a field that every object has', { ...volume, obs: { ...volume.obs, data: { ...volume.obs.data, toString: 1 } } }, 'is no field'],
    ['a field left out', { ...change, obs: { request: 'SetCurrentProgramScene' }, params: {} }, 'needs sceneName'],
    ['two volumes', { ...volume, obs: { ...volume.obs, data: { ...volume.obs.data, inputVolumeMul: 1 } } }, 'needs exactly one of'],
    ['a param of another type', { ...change, params: { scene: { type: 'integer' } } }, 'expected a param of the type string or enum'],
    [
      'a literal of another type',
      { ...mute, obs: { ...mute.obs, data: { inputName: '{scene}', inputMuted: 'yes' } } },
      'expected a boolean',
    ],
    ['a param that may be absent', { ...change, params: { scene: { type: 'string', optional: true } } }, 'must not be optional'],
    ['a param that there is not', { ...change, params: {} }, 'there is no param of the name scene'],
    ['half a placeholder', { ...change, obs: { ...change.obs, data: { sceneName: 'The {scene}' } } }, 'must be the whole value'],
    ['an unused param', { ...change, params: { ...change.params, other: { type: 'string' } } }, 'is never used'],
    ['a list with a request that needs data', { ...change, obs: { request: ['GetStats', 'GetInputMute'] }, params: {} }, 'needs data'],
    ['the same request twice', { ...change, obs: { request: ['GetStats', 'GetStats'] }, params: {} }, 'twice'],
    ['data for a list', { ...volume, obs: { ...volume.obs, request: ['GetStats', 'GetVersion'] } }, 'no meaning for a list'],
    ['an environment', { ...change, env: { A: 'b' } }, 'has no meaning for a request to OBS'],
    ['a secret', { ...change, params: { scene: { type: 'secret' } } }, 'takes neither secrets nor files'],
    ['a sandbox', { ...change, sandbox: { profile: 'pure' } }, 'has no meaning for a request to OBS'],
    ['a folder that may be missing', { ...change, optional: true }, 'has no meaning for a request to OBS'],
    ['a program beside it', { ...change, exec: ['true'] }, 'expected exactly one of'],
  ])('is a mistake with %s', async (_, declaration, message) => {
    const mistakes = await mistakesOf(JSON.stringify({ commands: { change: declaration } }));
    expect(mistakes).toContainEqual(expect.stringContaining(message));
  });

  it.each(OBS_REQUEST_NAMES)('may say effect: read for %s only where its name says so', async (request) => {
    const { effect } = OBS_REQUESTS[request];
    expect(effect).toBe(request.startsWith('Get') ? 'read' : 'change');
    const mistakes = await mistakesOf(JSON.stringify({ commands: { test: { summary: 'Test', obs: { request }, effect: 'read' } } }));
    expect(mistakes.some((mistake) => mistake.includes('changes something'))).toBe(effect === 'change');
  });
});
