import type { Clock, Probe } from '../domain/ports.js';
import { Examination, type Finding, type Verdict } from './examination.js';

/**
 * What `/ready` answers. `failing` names probes only: why is for the log and for those with a key. `restartRequired` where waiting
 * will not help.
 */
export type Readiness =
  { readonly status: 'ready' } | { readonly status: 'unready'; readonly failing: readonly string[]; readonly restartRequired?: true };

/** A probe and what it found. */
export interface Examined {
  readonly probe: Probe;
  readonly finding: Finding;
}

/** Asks every room whether it can do its work. Draining comes first: an orchestrator must stop sending before we stop serving. */
export class ReadinessService {
  private draining = false;
  private readonly examinations: readonly Examination[];

  constructor(probes: readonly Probe[], clock: Clock) {
    this.examinations = probes.map((probe) => new Examination(probe, clock));
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** From here on the gateway is not ready, for ever. */
  drain(): void {
    this.draining = true;
  }

  async check(): Promise<Readiness> {
    const failures = Object.entries(await this.ask()).flatMap(([name, verdict]) =>
      verdict.status === 'failing' ? [{ name, ...verdict }] : [],
    );
    const failing = [...(this.draining ? ['draining'] : []), ...failures.map(({ name }) => name)];
    if (failing.length === 0) return { status: 'ready' };
    return { status: 'unready', failing, ...(failures.some(({ restartRequired }) => restartRequired) ? { restartRequired: true } : {}) };
  }

  /** What each critical probe says, by its name. */
  async ask(): Promise<Readonly<Record<string, Verdict>>> {
    const examined = await examine(this.examinations.filter(({ probe }) => probe.critical));
    return Object.fromEntries(examined.map(({ probe, finding }) => [probe.name, finding.verdict]));
  }

  /** All that every probe says. */
  examineAll(): Promise<readonly Examined[]> {
    return examine(this.examinations);
  }
}

/** All at once: together they take as long as the slowest. */
function examine(examinations: readonly Examination[]): Promise<readonly Examined[]> {
  return Promise.all(examinations.map(async (examination) => ({ probe: examination.probe, finding: await examination.find() })));
}
