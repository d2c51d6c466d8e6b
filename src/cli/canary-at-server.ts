import type { Problem } from '../domain/errors.js';
import type { RunEnvelope } from '../runs/run-envelope.js';
import { Canary, type Sink, type UnseenSink } from './canary-search.js';
import { CliFailure } from './cli-failure.js';
import { askServer, callServer, RemoteProblem, type ServerCall } from './remote.js';

/** One thing to ask a server for. */
interface Question extends ServerCall {
  readonly sink: string;
  readonly path: string;
}

/** What no answer of a server shows: `sallyport doctor --canary` on its host reads the files. */
const OUT_OF_REACH: readonly UnseenSink[] = [
  { sink: 'log', reason: 'is on the host of the server, or where its stdout goes' },
  { sink: 'files of DATA_DIR', reason: 'are on the host of the server' },
];

/**
 * Has a running server print a fresh secret, by its command `canary`, and looks for that secret in every answer in which it could be. Leaves
 * a few runs and their audit entries behind. @returns the exit code: 1 when the secret is anywhere
 */
export async function plantCanaryAt(url: string, options: { readonly json?: boolean }): Promise<number> {
  const canary = new Canary();
  const body = { command: 'canary', args: { canary: canary.text } };
  const run = await runAt(url, body);
  const sinks = [await canary.searchText('response', JSON.stringify(run))];
  const unseen: UnseenSink[] = [];
  for (const question of questionsAbout(run.id, body)) {
    const answer = await look(url, question, canary);
    if ('reason' in answer) unseen.push(answer);
    else sinks.push(answer);
  }
  return canary.report({ masks: run.redactions, sinks, unseen: [...unseen, ...OUT_OF_REACH] }, options);
}

async function runAt(url: string, body: unknown): Promise<RunEnvelope> {
  try {
    return await callServer<RunEnvelope>(url, '/run', { method: 'POST', body });
  } catch (error) {
    if (!(error instanceof RemoteProblem) || error.problem.code !== 'command_unknown') throw error;
    throw new CliFailure('The server has no command canary for this key: commands/canary.yaml of the checkout declares it.');
  }
}

/** Doors that run it, doors that show the run, refusals, and what gathers all of it; these last. */
function questionsAbout(id: string, body: { readonly command: string; readonly args: { readonly canary: string } }): readonly Question[] {
  const { canary } = body.args;
  const wrong = { ...body, args: { canary, other: canary } };
  const post = (sink: string, path: string, sent: unknown): Question => ({ sink, path, method: 'POST', body: sent });
  return [
    post('stream', '/stream', body),
    post('batch', '/batch', { items: [body, wrong] }),
    post('plan', '/plan', body),
    post('error: arguments', '/run', wrong),
    post('error: body', '/run', { ...body, canary }),
    { sink: 'history', path: `/runs/${id}` },
    { sink: 'history: list', path: '/runs?limit=5' },
    { sink: 'history: output', path: `/runs/${id}/output` },
    { sink: 'history: stream', path: `/runs/${id}/stream` },
    { sink: 'audit: ndjson', path: '/audit/export?format=ndjson' },
    { sink: 'audit: csv', path: '/audit/export?format=csv' },
    { sink: 'metrics', path: '/metrics' },
    { sink: 'health', path: '/health/details' },
  ];
}

/** A refusal that was asked for is a sink too; one of this key shows nothing of what it keeps back. */
async function look(url: string, { sink, path, ...call }: Question, canary: Canary): Promise<Sink | UnseenSink> {
  const response = await askServer(url, path, call);
  if (![401, 403, 404, 429].includes(response.status)) return canary.search(sink, response.body ?? []);
  const { code = response.statusText } = (await response.json().catch(() => ({}))) as Partial<Problem>;
  return { sink, reason: `the server answered ${response.status} ${code}` };
}
