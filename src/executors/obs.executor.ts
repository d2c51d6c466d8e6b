import type { Invocation, ObsInvocation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { Executor, type ExecutionContext, type ExecutionEnd } from '../domain/executor.js';
import type { ObsClient } from '../obs/obs-client.js';
import { OBS_REQUEST_NAMES, type ObsRequestName, wantsItemId } from '../obs/obs-requests.js';
import type { ObsReply } from '../obs/obs-session.js';
import { CappedWriter } from './capped-writer.js';

type Data = ObsInvocation['data'];

/**
 * Asks OBS Studio. stdout is one line of JSON: what OBS answered, or for several requests an object of their answers by name.
 * Exit code 1: OBS refused (its status code and comment are on stderr), cannot be reached, or was lost.
 */
export class ObsExecutor extends Executor {
  override readonly kind = 'obs';

  constructor(private readonly client: ObsClient) {
    super();
  }

  override async execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd> {
    if (invocation.kind !== 'obs') throw new GatewayError('internal', 'This executor asks OBS only.');
    const writer = new CappedWriter(context);
    const reply = await this.askAll(invocation, context.signal);
    if (reply.kind === 'answered') writer.write('stdout', `${JSON.stringify(reply.data)}\n`);
    // What ended the run from outside is its outcome.
    else if (!context.signal.aborted) writer.write('stderr', `${wordsOf(reply)}\n`);
    return { kind: 'exited', code: reply.kind === 'answered' ? 0 : 1 };
  }

  /** The first that is not answered ends the rest. */
  private async askAll({ requests, data }: ObsInvocation, signal: AbortSignal): Promise<ObsReply> {
    const answers: Record<string, unknown> = {};
    for (const name of requests) {
      const reply = await this.ask(knownRequest(name), data, signal);
      if (reply.kind !== 'answered' || requests.length === 1) return reply;
      answers[name] = reply.data;
    }
    return { kind: 'answered', data: answers };
  }

  private async ask(request: ObsRequestName, data: Data, signal: AbortSignal): Promise<ObsReply> {
    const { sourceName, ...rest } = data;
    if (sourceName === undefined || !wantsItemId(request)) return this.client.call(request, data, signal);
    const found = await this.client.call('GetSceneItemId', { sceneName: data['sceneName'], sourceName }, signal);
    if (found.kind !== 'answered') return found;
    const { sceneItemId } = found.data as { readonly sceneItemId?: unknown };
    return this.client.call(request, { ...rest, sceneItemId }, signal);
  }
}

function knownRequest(name: string): ObsRequestName {
  const known = OBS_REQUEST_NAMES.find((request) => request === name);
  if (!known) throw new GatewayError('internal', 'The catalogue names a request to OBS that is not allowed.');
  return known;
}

function wordsOf(reply: Exclude<ObsReply, { readonly kind: 'answered' }>): string {
  if (reply.kind === 'failed') return reply.reason;
  return `OBS refuses with status ${reply.code}${reply.comment ? `: ${reply.comment}` : '.'}`;
}
