import { GatewayError } from '../domain/errors.js';
import type { Probe } from '../domain/ports.js';

const PROBE_DEADLINE_MS = 1_000;

/**
 * What `/ready` answers. `failing` names probes only: why is for the log and for those with a key. `restartRequired` where waiting
 * will not help.
 */
export type Readiness =
  { readonly status: 'ready' } | { readonly status: 'unready'; readonly failing: readonly string[]; readonly restartRequired?: true };

/** What one room said of itself, for those with a key. */
export type ProbeResult =
  { readonly status: 'ok' } | { readonly status: 'failing'; readonly reason: string; readonly restartRequired?: true };

/** Asks every room whether it can do its work. Draining comes first: an orchestrator must stop sending before we stop serving. */
export class ReadinessService {
  private draining = false;

  constructor(private readonly probes: readonly Probe[]) {}

  get isDraining(): boolean {
    return this.draining;
  }

  /** From here on the gateway is not ready, for ever. */
  drain(): void {
    this.draining = true;
  }

  async check(): Promise<Readiness> {
    const results = Object.entries(await this.ask());
    const failures = results.flatMap(([name, result]) => (result.status === 'failing' ? [{ name, ...result }] : []));
    const failing = [...(this.draining ? ['draining'] : []), ...failures.map(({ name }) => name)];
    if (failing.length === 0) return { status: 'ready' };
    return { status: 'unready', failing, ...(failures.some(({ restartRequired }) => restartRequired) ? { restartRequired: true } : {}) };
  }

  /** Each probe's own answer, by its name. */
  async ask(): Promise<Readonly<Record<string, ProbeResult>>> {
    return Object.fromEntries(await Promise.all(this.probes.map(async (probe) => [probe.name, await resultOf(probe)] as const)));
  }
}

async function resultOf(probe: Probe): Promise<ProbeResult> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new GatewayError('internal', 'It did not answer in time.')), PROBE_DEADLINE_MS);
  });
  try {
    await Promise.race([probe.check(), late]);
    return { status: 'ok' };
  } catch (error) {
    if (!(error instanceof GatewayError)) return { status: 'failing', reason: 'It failed unexpectedly.' };
    return { status: 'failing', reason: error.message, ...(error.extra.untilRestart ? { restartRequired: true } : {}) };
  } finally {
    clearTimeout(timer);
  }
}
