import type { Declaration } from './gateway.js';
import { askedOf, says, startLlm } from './llm-peer.js';
import { ObsPeer } from './obs-peer.js';
import { Peer } from './peer.js';

/** Services that answer with what they were asked, followed by a NUL. */
export interface AskedServices {
  readonly url: string;
  readonly settings: Readonly<Record<string, string>>;
  /** What a service heard, out of the output of a command; that of a program as it is. */
  heard(output: string): string;
  stop(): Promise<void>;
}

/** @param texts that the studio has a scene for */
export async function startServices(texts: readonly string[]): Promise<AskedServices> {
  const { peer: model, settings } = await startLlm((response, received) =>
    says([`${dataIn(askedOf(received).messages)}\0`])(response, received),
  );
  const service = await Peer.start((response, { url, body }) => {
    const [inBody, inAddress] = [(JSON.parse(body) as { value: string }).value, new URL(url, 'http://peer').searchParams.get('value')];
    response.end(inBody === inAddress ? `${inBody}\0` : 'the address says something else');
  });
  const studio = new ObsPeer();
  await studio.start();
  const scenes = studio.studio.scenes as Map<string, readonly { id: number; source: string; enabled: boolean }[]>;
  for (const text of texts) scenes.set(text, [{ id: 1, source: text, enabled: true }]);
  return {
    url: service.url,
    settings: { ...settings, OBS_URL: studio.url },
    heard,
    stop: async () => {
      await Promise.all([model.stop(), service.stop(), studio.stop()]);
    },
  };
}

function dataIn(messages: readonly { readonly content: string }[]): string {
  const [, , text] = /^<data-([0-9a-f]{16}) name="value">\n(.*)\n<\/data-\1>$/s.exec(messages.at(-1)?.content ?? '') ?? [];
  return text ?? 'no data between marks';
}

function heard(output: string): string {
  if (output.startsWith('{"question":')) return `${(JSON.parse(output) as { question: string }).question}\0`;
  if (!output.startsWith('{"sceneItems":')) return output;
  const [item] = (JSON.parse(output) as { sceneItems: { sourceName: string }[] }).sceneItems;
  return `${item?.sourceName}\0`;
}

/** One command of each kind that starts no program, with the param `value` of a string. */
export function askingCommands({ url }: AskedServices, documents: string): Readonly<Record<string, Declaration>> {
  const shared = { summary: 'Asks', effect: 'read', params: { value: { type: 'string' } } };
  return {
    'call.string': {
      ...shared,
      http: { method: 'POST', readsOnly: true, url: `${url}/?value={value}`, json: { value: '{value}' }, privateRanges: ['127.0.0.1'] },
    },
    'ask.string': { ...shared, llm: { prompt: '{value}' } },
    'look.string': { ...shared, knowledge: { folders: [documents], search: '{value}' } },
    'scene.string': { ...shared, obs: { request: 'GetSceneItemList', data: { sceneName: '{value}' } } },
  };
}
