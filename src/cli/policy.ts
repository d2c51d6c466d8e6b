import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import type { Page } from '../domain/audit.js';
import { GatewayError } from '../domain/errors.js';
import type { Explanation, Freeze, Verdict } from '../domain/policy.js';
import type { WaitingView } from '../runs/approval.controller.js';
import { Explainer } from '../runs/explain.js';
import { describeTarget } from '../runs/freeze-book.js';
import { freezeRequestSchema, targetOf } from '../runs/freeze-request.js';
import type { RunSummary } from '../runs/run-envelope.js';
import { CliFailure, EXIT_REFUSED, print } from './cli-failure.js';
import type { LocalRooms } from './local.js';
import type { ApproveOptions, ExplainOptions, FreezeOptions, RemoteOptions } from './options.js';
import { callServer } from './remote.js';
import { withStore } from './with-store.js';

const MANAGER = { principal: LOCAL_PRINCIPAL, requestId: 'cli' };

/** Throws a freeze switch, in place of one that its target has already. */
export async function freeze(options: FreezeOptions): Promise<void> {
  const { url, all, command, key, reason, stop } = options;
  const target = [all && { all }, command === undefined ? undefined : { command }, key === undefined ? undefined : { key }].filter(Boolean);
  if (target.length !== 1) throw new CliFailure('Give one of --all, --command and --key.', EXIT_REFUSED);
  const body = { target: target[0], mode: stop ? 'stop' : 'drain', reason };
  const made = url
    ? await callServer<Freeze>(url, '/freezes', { method: 'PUT', body })
    : await withFreezes(({ gateway }) => gateway.parts.freezes.put(asFreeze(body), MANAGER));
  print(made, options, () => `${made.id}: ${describeTarget(made.target)} are frozen (${made.mode}).`);
}

export async function listFreezes(options: RemoteOptions): Promise<void> {
  const { items } = options.url
    ? await callServer<Page<Freeze>>(options.url, '/freezes')
    : await withStore(async ({ gateway }) => {
        await gateway.parts.freezes.load();
        return { items: gateway.parts.freezes.list() };
      });
  const lineOf = ({ id, mode, target, reason }: Freeze) => [id, mode, describeTarget(target), reason].join('  ');
  print({ items }, options, () => items.map(lineOf).join('\n') || 'Nothing is frozen.');
}

export async function thaw(id: string, options: RemoteOptions): Promise<void> {
  if (options.url) await callServer(options.url, `/freezes/${encodeURIComponent(id)}`, { method: 'DELETE' });
  else await withFreezes(({ gateway }) => gateway.parts.freezes.lift(id, MANAGER));
  print({ lifted: id }, options, () => `The freeze ${id} is lifted.`);
}

/** @returns the exit code: refused where a rule denies */
export async function explain(command: string, options: ExplainOptions): Promise<number> {
  const { url, key } = options;
  const query = new URLSearchParams({ command, ...(key === undefined ? {} : { key }) });
  const explanation = url ? await callServer<Explanation>(url, `/explain?${query.toString()}`) : await explainHere(command, key);
  print(explanation, options, () => explanation.rules.map(describeVerdict).join('\n'));
  return explanation.allowed ? 0 : EXIT_REFUSED;
}

/** Runs wait in the memory of the server that took them, so these three ask it. */
export async function listApprovals(options: RemoteOptions): Promise<void> {
  const { items } = await callServer<Page<WaitingView>>(serverOf(options), '/approvals');
  print({ items }, options, () => items.map(describeWaiting).join('\n') || 'Nothing waits for approval.');
}

export async function approve(runId: string, options: ApproveOptions): Promise<void> {
  const { fingerprint } = options;
  const run = await callServer<RunSummary>(serverOf(options), addressOf(runId, 'approve'), { method: 'POST', body: { fingerprint } });
  print(run, options, () => `${run.id} is approved.`);
}

export async function deny(runId: string, options: RemoteOptions): Promise<void> {
  const run = await callServer<RunSummary>(serverOf(options), addressOf(runId, 'deny'), { method: 'POST' });
  print(run, options, () => `${run.id} is denied.`);
}

/** One rule and what it says, as a line. */
export function describeVerdict({ rule, says, detail }: Verdict): string {
  return `${says.padEnd(8)} ${rule.padEnd(12)} ${detail}`;
}

function asFreeze(body: unknown) {
  const result = freezeRequestSchema.safeParse(body);
  if (result.success) return { ...result.data, target: targetOf(result.data.target) };
  const errors = result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  throw new GatewayError('invalid_request', 'There can be no such freeze.', { errors });
}

/** Beside a server nothing is changed: it reads its switches when it starts, and would not hear of this one. */
function withFreezes<T>(work: (rooms: LocalRooms) => Promise<T>): Promise<T> {
  return withStore(async (rooms) => {
    const { lock, freezes } = rooms.gateway.parts;
    try {
      lock.acquire();
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'conflict') throw error;
      throw new CliFailure('A server runs on this DATA_DIR and has to do that itself: give its --url.', EXIT_REFUSED);
    }
    await freezes.load();
    return work(rooms);
  });
}

async function explainHere(command: string, keyId: string | undefined): Promise<Explanation> {
  const { withLocalRooms } = await import('./local.js');
  return withLocalRooms(async ({ context, gateway }) => {
    await gateway.openCatalogue();
    return context.get(Explainer).explain(LOCAL_PRINCIPAL, { command, keyId });
  });
}

function serverOf({ url }: RemoteOptions): string {
  if (url) return url;
  throw new CliFailure('Runs wait in the server that took them: give its --url.', EXIT_REFUSED);
}

function addressOf(runId: string, decision: 'approve' | 'deny'): string {
  return `/approvals/${encodeURIComponent(runId)}/${decision}`;
}

function describeWaiting({ runId, command, args, requestedBy, expiresAt, fingerprint }: WaitingView): string {
  return [
    `${runId}  ${command} ${JSON.stringify(args)}  asked for by ${requestedBy.id} (${requestedBy.name}), waits until ${expiresAt}`,
    `  fingerprint ${fingerprint}`,
  ].join('\n');
}
