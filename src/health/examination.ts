import { GatewayError } from '../domain/errors.js';
import type { Clock, Measurement, Probe } from '../domain/ports.js';

/** A finding is given to whoever asks for so long. */
const FRESH_MS = 100;
/** A check that never came back is given up after so long, and another one tried. */
const GIVEN_UP_MS = 30_000;

/** What became of a check. */
export type Verdict =
  | { readonly status: 'ok' }
  | { readonly status: 'warning'; readonly reason: string }
  | { readonly status: 'failing'; readonly reason: string; readonly restartRequired?: true };

/** What one probe said, and when. */
export interface Finding {
  readonly verdict: Verdict;
  readonly measured: readonly Measurement[];
  /** ISO-8601, UTC. */
  readonly at: string;
  readonly durationMs: number;
}

/**
 * Asks one probe for all who want to know: one check at a time, and none again within {@link FRESH_MS}, so that no flood of questions
 * becomes a flood of checks. A check has its probe's deadline; while one hangs beyond it, the answer is at once that it does.
 */
export class Examination {
  private latest: { readonly finding: Finding; readonly until: number } | undefined;
  private underWay: Promise<Finding> | undefined;
  private hungSince: number | undefined;

  constructor(
    readonly probe: Probe,
    private readonly clock: Clock,
  ) {}

  /** Never rejects. */
  find(): Promise<Finding> {
    if (this.latest && this.clock.monotonic() < this.latest.until) return Promise.resolve(this.latest.finding);
    return (this.underWay ??= this.examine().finally(() => (this.underWay = undefined)));
  }

  private async examine(): Promise<Finding> {
    const [at, began] = [this.clock.now(), this.clock.monotonic()];
    const hangs = this.hungSince !== undefined && began - this.hungSince < GIVEN_UP_MS;
    const found = hangs ? LATE : await this.check(began);
    const ended = this.clock.monotonic();
    const durationMs = Math.round((ended - (hangs ? (this.hungSince ?? began) : began)) * 100) / 100;
    const finding = { ...found, at, durationMs };
    this.latest = { finding, until: ended + FRESH_MS };
    return finding;
  }

  private async check(began: number): Promise<Pick<Finding, 'verdict' | 'measured'>> {
    const deadline = new AbortController();
    const checked = checkOf(this.probe, deadline.signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<typeof LATE>((resolve) => {
      timer = setTimeout(() => {
        this.hungSince = began;
        resolve(LATE);
        deadline.abort();
      }, this.probe.deadlineMs);
    });
    void checked.finally(() => {
      if (this.hungSince === began) this.hungSince = undefined;
    });
    try {
      return await Promise.race([checked, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

const LATE = { verdict: { status: 'failing', reason: 'It did not answer in time.' }, measured: [] } as const;

async function checkOf(probe: Probe, signal: AbortSignal): Promise<Pick<Finding, 'verdict' | 'measured'>> {
  try {
    const measured = (await probe.check(signal)) ?? [];
    const warnings = measured.flatMap(({ warning }) => warning ?? []);
    return { verdict: warnings.length > 0 ? { status: 'warning', reason: warnings.join(' ') } : { status: 'ok' }, measured };
  } catch (error) {
    return { verdict: failureOf(error), measured: [] };
  }
}

/** What is not of our making may say more than callers should read. */
function failureOf(error: unknown): Verdict {
  if (!(error instanceof GatewayError)) return { status: 'failing', reason: 'It failed unexpectedly.' };
  return { status: 'failing', reason: error.message, ...(error.extra.untilRestart ? { restartRequired: true } : {}) };
}
