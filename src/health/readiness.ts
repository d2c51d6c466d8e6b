import { GatewayError } from '../domain/errors.js';
import type { Probe } from '../domain/ports.js';

const PROBE_DEADLINE_MS = 1_000;

/**
 * What `/ready` answers. `failing` names probes only: why is for the log and for those with a key. `restartRequired` where waiting
 * will not help.
 */
export type Readiness =
  { readonly status: 'ready' } | { readonly status: 'unready'; readonly failing: readonly string[]; readonly restartRequired?: true };

/** Asks every room whether it can do its work. Draining comes first: an orchestrator must stop sending before we stop serving. */
export class ReadinessService {
  private draining = false;

  constructor(private readonly probes: readonly Probe[]) {}

  /** From here on the gateway is not ready, for ever. */
  drain(): void {
    this.draining = true;
  }

  async check(): Promise<Readiness> {
    const failing = this.draining ? ['draining'] : [];
    let restartRequired = false;
    const results = await Promise.allSettled(this.probes.map((probe) => withDeadline(probe)));
    results.forEach((result, index) => {
      if (result.status === 'fulfilled') return;
      failing.push(this.probes[index]?.name ?? 'unknown');
      restartRequired ||= result.reason instanceof GatewayError && result.reason.extra.untilRestart === true;
    });
    if (failing.length === 0) return { status: 'ready' };
    return { status: 'unready', failing, ...(restartRequired ? { restartRequired } : {}) };
  }
}

async function withDeadline(probe: Probe): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`probe ${probe.name} did not answer in time`)), PROBE_DEADLINE_MS);
  });
  try {
    await Promise.race([probe.check(), late]);
  } finally {
    clearTimeout(timer);
  }
}
