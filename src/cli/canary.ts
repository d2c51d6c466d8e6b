import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import { AuditStore } from '../domain/audit.js';
import { createRequestContext } from '../http/request-context.js';
import { Metrics } from '../metrics/metrics.js';
import { RunHistory } from '../runs/run-history.js';
import { RunService } from '../runs/run.service.js';
import { CANARY_CATALOGUE } from './canary-command.js';
import { Canary, type Sink } from './canary-search.js';
import { type LocalRooms, withLocalRooms } from './local.js';

/**
 * Runs a command of its own that prints a fresh secret, on this host's DATA_DIR, and looks for that secret in everything that
 * was answered and stored. Leaves one run and its audit entries behind. @returns the exit code: 1 when the secret is anywhere
 */
export async function plantCanary(options: { readonly json?: boolean }): Promise<number> {
  const canary = new Canary();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-canary-'));
  try {
    writeFileSync(join(folder, 'canary.yaml'), CANARY_CATALOGUE);
    const { answers, masks, dataDir } = await withLocalRooms((rooms) => runCanary(rooms, canary.text), { CATALOGUE_DIR: folder });
    const sinks: Sink[] = [];
    for (const [sink, text] of Object.entries(answers)) sinks.push(await canary.searchText(sink, text));
    for (const file of filesOf(dataDir)) sinks.push(await canary.search(file, createReadStream(file)));
    return canary.report({ masks, sinks, unseen: [] }, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runCanary({ context, gateway }: LocalRooms, canary: string) {
  await gateway.open();
  const { requestId, traceparent } = createRequestContext({}, 0);
  const origin = { principal: LOCAL_PRINCIPAL, requestId, traceparent, idempotencyKey: undefined };
  const live = await context.get(RunService).start({ command: 'canary', args: { canary } }, origin);
  const run = await live.finished;
  const history = context.get(RunHistory);
  const audit: unknown[] = [];
  for await (const entry of context.get(AuditStore).entries()) audit.push(entry);
  const answers: Readonly<Record<string, string>> = {
    response: JSON.stringify(history.present(run, live.output)),
    history: JSON.stringify(await history.envelope(LOCAL_PRINCIPAL, run.id)),
    audit: JSON.stringify(audit),
    metrics: await context.get(Metrics).registry.metrics(),
  };
  return { answers, masks: run.redactions, dataDir: gateway.parts.settings.DATA_DIR };
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}
