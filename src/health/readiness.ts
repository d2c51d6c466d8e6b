import { GatewayError } from '../domain/errors.js';
import type { Probe } from '../domain/ports.js';

const PROBE_DEADLINE_MS = 1_000;

/** What `/ready` answers. `failing` names probes only: why is for the log and for those with a key. */
export type Readiness = { readonly status: 'ready' } | { readonly status: 'unready'; readonly failing: readonly string[] };

/** What one room said of itself, for those with a key. */
export type ProbeResult = { readonly status: 'ok' } | { readonly status: 'failing'; readonly reason: string };

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
    const failing = [
      ...(this.draining ? ['draining'] : []),
      ...results.filter(([, { status }]) => status === 'failing').map(([name]) => name),
    ];
    return failing.length === 0 ? { status: 'ready' } : { status: 'unready', failing };
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
    return { status: 'failing', reason: error instanceof GatewayError ? error.message : 'It failed unexpectedly.' };
  } finally {
    clearTimeout(timer);
  }
}
