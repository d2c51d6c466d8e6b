import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import { AuditStore } from '../domain/audit.js';
import { createRequestContext } from '../http/request-context.js';
import { Metrics } from '../metrics/metrics.js';
import { maskKey } from '../redaction/for-people.js';
import { secretForms } from '../redaction/secret-forms.js';
import { RunHistory } from '../runs/run-history.js';
import { RunService } from '../runs/run.service.js';
import { print } from './cli-failure.js';
import { type LocalRooms, withLocalRooms } from './local.js';

/** One place that a secret could have got to. */
interface Sink {
  readonly sink: string;
  readonly bytes: number;
  /** How many encodings of the canary are in it. */
  readonly leaks: number;
}

/** Prints its secret plain, in base64, in hex, and in two pieces. */
const COMMAND = `commands:
  canary:
    summary: Prints a secret, to see where it comes out
    effect: read
    script:
      interpreter: sh
      text: |
        printf '%s\\n' "$CANARY"
        printf '%s' "$CANARY" | base64
        printf '%s' "$CANARY" | od -An -tx1 | tr -d ' \\n'
        printf '\\n%.9s' "$CANARY"
        printf '%s\\n' "\${CANARY#?????????}" >&1
        printf '%s\\n' "$CANARY" >&2
    params:
      canary: { type: secret }
    env: { CANARY: '{canary}' }
`;
/** What a run of it shows at least, on stdout. */
const FEWEST_MASKS = 4;

/**
 * Runs a command of its own that prints a fresh secret, on this host's DATA_DIR, and looks for that secret in everything that
 * was answered and stored. Leaves one run and its audit entries behind. @returns the exit code: 1 when the secret is anywhere
 */
export async function plantCanary(options: { readonly json?: boolean }): Promise<number> {
  const canary = `canary/${randomBytes(18).toString('base64')}&é`;
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-canary-'));
  try {
    writeFileSync(join(folder, 'canary.yaml'), COMMAND);
    const { sinks, masks, dataDir } = await withLocalRooms((rooms) => runCanary(rooms, canary), { CATALOGUE_DIR: folder });
    const forms = secretForms([canary]);
    const found = [...Object.entries(sinks), ...filesOf(dataDir)].map(([sink, text]): Sink => ({
      sink,
      bytes: Buffer.byteLength(text),
      leaks: forms.filter((form) => text.includes(form)).length,
    }));
    const ok = masks >= FEWEST_MASKS && found.every(({ leaks }) => leaks === 0);
    print({ ok, masks, sinks: found }, options, () => describe(found, masks, canary));
    return ok ? 0 : 1;
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
  const sinks: Readonly<Record<string, string>> = {
    response: JSON.stringify(history.present(run, live.output)),
    history: JSON.stringify(await history.envelope(LOCAL_PRINCIPAL, run.id)),
    audit: JSON.stringify(audit),
    metrics: await context.get(Metrics).registry.metrics(),
  };
  return { sinks, masks: run.redactions, dataDir: gateway.parts.settings.DATA_DIR };
}

/** Read as text: what is there is UTF-8 or no text at all. */
function filesOf(folder: string): [string, string][] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'utf8')]);
}

function describe(sinks: readonly Sink[], masks: number, canary: string): string {
  return [
    `The canary ${maskKey(canary)} was printed and masked ${masks} times${masks < FEWEST_MASKS ? ': too few, it did not come through' : ''}.`,
    ...sinks.map(({ sink, bytes, leaks }) => `${(leaks === 0 ? 'ok' : 'LEAK').padEnd(8)} ${sink} (${bytes} bytes)`),
  ].join('\n');
}
