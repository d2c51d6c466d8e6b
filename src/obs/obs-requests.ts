import type { OBSRequestTypes } from 'obs-websocket-js/json';

type FieldKind = 'text' | 'number' | 'boolean';

/** What a request does, and the fields of its `data`. */
interface ObsRequestKind {
  readonly effect: 'read' | 'change';
  readonly fields: Readonly<Record<string, FieldKind>>;
  /** Fields that may be left out. */
  readonly optional?: readonly string[];
  /** Exactly one of these is needed. */
  readonly oneOf?: readonly string[];
}

const asks = { effect: 'read', fields: {} } as const satisfies ObsRequestKind;
const changes = { effect: 'change', fields: {} } as const satisfies ObsRequestKind;
const input = { inputName: 'text' } as const;
const scene = { sceneName: 'text' } as const;

/**
 * Every request that a command may send to OBS (obs-websocket 5, https://github.com/obsproject/obs-websocket, docs/generated/protocol.md).
 * Requests that read or write files, settings or keys of services, or press keys, are left out on purpose.
 * SetSceneItemEnabled and GetSceneItemEnabled also take `sourceName`, whose id in the scene is looked up first.
 */
export const OBS_REQUESTS = {
  GetVersion: asks,
  GetStats: asks,
  GetSceneList: asks,
  GetCurrentProgramScene: asks,
  SetCurrentProgramScene: { effect: 'change', fields: scene },
  GetInputList: { effect: 'read', fields: { inputKind: 'text' }, optional: ['inputKind'] },
  GetInputMute: { effect: 'read', fields: input },
  SetInputMute: { effect: 'change', fields: { ...input, inputMuted: 'boolean' } },
  ToggleInputMute: { effect: 'change', fields: input },
  GetInputVolume: { effect: 'read', fields: input },
  SetInputVolume: {
    effect: 'change',
    fields: { ...input, inputVolumeDb: 'number', inputVolumeMul: 'number' },
    oneOf: ['inputVolumeDb', 'inputVolumeMul'],
  },
  GetSceneItemList: { effect: 'read', fields: scene },
  GetSceneItemId: { effect: 'read', fields: { ...scene, sourceName: 'text' } },
  GetSceneItemEnabled: {
    effect: 'read',
    fields: { ...scene, sceneItemId: 'number', sourceName: 'text' },
    oneOf: ['sceneItemId', 'sourceName'],
  },
  SetSceneItemEnabled: {
    effect: 'change',
    fields: { ...scene, sceneItemEnabled: 'boolean', sceneItemId: 'number', sourceName: 'text' },
    oneOf: ['sceneItemId', 'sourceName'],
  },
  GetRecordStatus: asks,
  StartRecord: changes,
  StopRecord: changes,
  PauseRecord: changes,
  ResumeRecord: changes,
  GetStreamStatus: asks,
  StartStream: changes,
  StopStream: changes,
  GetVirtualCamStatus: asks,
  StartVirtualCam: changes,
  StopVirtualCam: changes,
} as const satisfies Partial<Record<keyof OBSRequestTypes, ObsRequestKind>>;

export type ObsRequestName = keyof typeof OBS_REQUESTS;
export const OBS_REQUEST_NAMES = Object.keys(OBS_REQUESTS) as ObsRequestName[];

export function obsRequest(name: ObsRequestName): ObsRequestKind {
  return OBS_REQUESTS[name];
}

/** Whether the request names an item of a scene by its id, so that the name of its source has to be looked up. */
export function wantsItemId(name: ObsRequestName): boolean {
  return 'sceneItemId' in OBS_REQUESTS[name].fields;
}
