/** What an OBS has: enough of it for requests to succeed, and to fail as they do there. */
export interface Studio {
  scene: string;
  readonly scenes: ReadonlyMap<string, readonly { readonly id: number; readonly source: string; enabled: boolean }[]>;
  readonly inputs: ReadonlyMap<string, { muted: boolean; db: number }>;
  recording: 'off' | 'on' | 'paused';
  streaming: boolean;
  camera: boolean;
}

interface Answer {
  readonly requestStatus: { readonly result: boolean; readonly code: number; readonly comment?: string };
  readonly responseData?: unknown;
}

type Data = Readonly<Record<string, unknown>>;
type Handler = (studio: Studio, data: Data) => Answer;

export function newStudio(): Studio {
  return {
    scene: 'Desk',
    scenes: new Map([
      ['Desk', [{ id: 7, source: 'Camera', enabled: true }]],
      ['Live on Stage', [{ id: 9, source: 'Wide Shot', enabled: false }]],
    ]),
    inputs: new Map([
      ['Mic', { muted: false, db: 0 }],
      ['Desktop Audio', { muted: false, db: 0 }],
    ]),
    recording: 'off',
    streaming: false,
    camera: false,
  };
}

const done = (responseData?: unknown): Answer => ({
  requestStatus: { result: true, code: 100 },
  ...(responseData === undefined ? {} : { responseData }),
});
const refused = (code: number, comment?: string): Answer => ({
  requestStatus: { result: false, code, ...(comment === undefined ? {} : { comment }) },
});
const notFound = (what: string, name: unknown) => refused(600, `No ${what} was found by the name of \`${String(name)}\`.`);

/** Names that a request needs, of their types; else 300 or 401, as OBS says it. */
function needing(fields: Readonly<Record<string, string>>, handler: Handler): Handler {
  return (studio, data) => {
    for (const [field, type] of Object.entries(fields)) {
      if (data[field] === undefined) return refused(300, `Your request is missing the \`${field}\` field.`);
      if (typeof data[field] !== type) return refused(401, `The field value of \`${field}\` must be a ${type}.`);
    }
    return handler(studio, data);
  };
}

function inScene(handler: (items: NonNullable<ReturnType<Studio['scenes']['get']>>, data: Data) => Answer): Handler {
  return needing({ sceneName: 'string' }, ({ scenes }, data) => {
    const items = scenes.get(String(data['sceneName']));
    return items ? handler(items, data) : notFound('source', data['sceneName']);
  });
}

function ofInput(
  fields: Readonly<Record<string, string>>,
  handler: (input: { muted: boolean; db: number }, data: Data) => Answer,
): Handler {
  return needing({ inputName: 'string', ...fields }, ({ inputs }, data) => {
    const input = inputs.get(String(data['inputName']));
    return input ? handler(input, data) : notFound('source', data['inputName']);
  });
}

/** A switch that is refused where it is there already: 500 OutputRunning, 501 OutputNotRunning, 502 OutputPaused, 503 OutputNotPaused. */
function when(allowed: (studio: Studio) => boolean, code: number, act: (studio: Studio) => unknown): Handler {
  return (studio) => (allowed(studio) ? done(act(studio)) : refused(code));
}

const HANDLERS: Readonly<Record<string, Handler>> = {
  GetVersion: () => done({ obsVersion: '31.0.0', obsWebSocketVersion: '5.5.4', rpcVersion: 1, platform: 'linux' }),
  GetStats: () => done({ cpuUsage: 1.5, activeFps: 60, renderSkippedFrames: 0 }),
  GetSceneList: ({ scene, scenes }) =>
    done({ currentProgramSceneName: scene, scenes: [...scenes.keys()].map((sceneName, sceneIndex) => ({ sceneName, sceneIndex })) }),
  GetCurrentProgramScene: ({ scene }) => done({ currentProgramSceneName: scene, sceneName: scene }),
  SetCurrentProgramScene: needing({ sceneName: 'string' }, (studio, { sceneName }) => {
    if (!studio.scenes.has(String(sceneName))) return notFound('source', sceneName);
    studio.scene = String(sceneName);
    return done();
  }),
  GetSceneItemList: inScene((items) =>
    done({ sceneItems: items.map(({ id, source, enabled }) => ({ sceneItemId: id, sourceName: source, sceneItemEnabled: enabled })) }),
  ),
  GetSceneItemId: inScene((items, { sourceName }) => {
    const item = items.find(({ source }) => source === sourceName);
    return item ? done({ sceneItemId: item.id }) : refused(600, 'No scene items were found in the specified scene by that name or offset.');
  }),
  SetSceneItemEnabled: inScene((items, { sceneItemId, sceneItemEnabled }) => {
    if (typeof sceneItemId !== 'number') return refused(300, 'Your request is missing the `sceneItemId` field.');
    const item = items.find(({ id }) => id === sceneItemId);
    if (!item) return refused(600, 'No scene items were found in the specified scene with that ID.');
    item.enabled = sceneItemEnabled === true;
    return done();
  }),
  GetInputList: ({ inputs }) => done({ inputs: [...inputs.keys()].map((inputName) => ({ inputName })) }),
  SetInputMute: ofInput({ inputMuted: 'boolean' }, (input, { inputMuted }) => {
    input.muted = inputMuted === true;
    return done();
  }),
  SetInputVolume: ofInput({ inputVolumeDb: 'number' }, (input, { inputVolumeDb }) => {
    if (Number(inputVolumeDb) > 26) return refused(402, 'The field value of `inputVolumeDb` is above the maximum of `26.000000`');
    input.db = Number(inputVolumeDb);
    return done();
  }),
  GetRecordStatus: ({ recording }) => done({ outputActive: recording !== 'off', outputPaused: recording === 'paused' }),
  StartRecord: when(
    ({ recording }) => recording === 'off',
    500,
    (studio) => void (studio.recording = 'on'),
  ),
  StopRecord: when(
    ({ recording }) => recording !== 'off',
    501,
    (studio) => {
      studio.recording = 'off';
      return { outputPath: '/videos/one.mkv' };
    },
  ),
  PauseRecord: when(
    ({ recording }) => recording === 'on',
    502,
    (studio) => void (studio.recording = 'paused'),
  ),
  ResumeRecord: when(
    ({ recording }) => recording === 'paused',
    503,
    (studio) => void (studio.recording = 'on'),
  ),
  GetStreamStatus: ({ streaming }) => done({ outputActive: streaming, outputBytes: 0 }),
  StartStream: when(
    ({ streaming }) => !streaming,
    500,
    (studio) => void (studio.streaming = true),
  ),
  StopStream: when(
    ({ streaming }) => streaming,
    501,
    (studio) => void (studio.streaming = false),
  ),
  GetVirtualCamStatus: ({ camera }) => done({ outputActive: camera }),
  StartVirtualCam: when(
    ({ camera }) => !camera,
    500,
    (studio) => void (studio.camera = true),
  ),
  StopVirtualCam: when(
    ({ camera }) => camera,
    501,
    (studio) => void (studio.camera = false),
  ),
};

/** 203: no type; 204: a type that there is not. */
export function answerOf(studio: Studio, type: unknown, data: unknown): Answer {
  if (typeof type !== 'string') return refused(203, "Your payload's data is missing an `requestType`.");
  const handler = Object.hasOwn(HANDLERS, type) ? HANDLERS[type] : undefined;
  if (!handler) return refused(204, 'Your request type is not valid.');
  return handler(studio, (data ?? {}) as Data);
}
