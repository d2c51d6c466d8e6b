import type { Write } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { KeyUsage, Principal } from '../domain/principal.js';
import type { KeyStore } from '../domain/stores.js';

const DAY_MS = 86_400_000;

/** The runs of a bounded key, while somebody claims one. */
interface Meter {
  holders: number;
  readonly loaded: Promise<void>;
  usage: KeyUsage | undefined;
}

/** One bound key of a caller's line. */
interface Bound {
  readonly id: string;
  readonly budget: number | null;
  readonly calls: number | null;
}

/** What is left of a bound. */
export interface RunsLeft {
  readonly limit: number;
  readonly remaining: number;
}

/** A run that was claimed from every bound of its caller. */
export interface RunClaim {
  /** What counts it durably; belongs into the commit that records the run. */
  readonly writes: readonly Write[];
  /** The run is recorded: the claim stays spent whatever becomes of it. */
  spend(): void;
  /** Gives back what was not spent. Safe to call more than once. */
  release(): void;
}

/**
 * Runs a day and runs in all, of keys that are bound to a number of them. Exact: with one run left and a hundred callers one is let in, and
 * a restart forgets nothing. Between processes the store decides, where the same bounds stand in the write. A child's run counts for every
 * key above it too.
 */
export class KeyBudgets {
  private readonly meters = new Map<string, Meter>();

  constructor(
    private readonly keys: KeyStore,
    private readonly clock: Clock,
  ) {}

  /** Undefined for a caller that is bound to no number of runs. Rejects with `budget_used_up`, `storage_unavailable`. */
  claim(principal: Principal): Promise<RunClaim> | undefined {
    const bounds = boundsOf(principal);
    return bounds.length === 0 ? undefined : this.claimAll(bounds);
  }

  /** What is left of the caller's bounds, those of the keys above it included; null where there are none. */
  async left(principal: Principal): Promise<Readonly<Record<'budget' | 'calls', RunsLeft | null>>> {
    const day = this.today();
    const lines = await Promise.all(
      boundsOf(principal).map(async ({ id, budget, calls }) => {
        const usage = await this.keys.usage(id);
        return { budget: leftOf(budget, runsOn(day, usage)), calls: leftOf(calls, usage?.runs ?? 0) };
      }),
    );
    return { budget: tightest(lines.map(({ budget }) => budget)), calls: tightest(lines.map(({ calls }) => calls)) };
  }

  private async claimAll(bounds: readonly Bound[]): Promise<RunClaim> {
    const meters = bounds.map(({ id }) => this.hold(id));
    try {
      await Promise.all(meters.map(({ loaded }) => loaded));
      const day = this.today();
      for (const [index, bound] of bounds.entries()) this.assertLeft(bound, meters[index]?.usage, day);
      // Nothing is awaited between looking and counting.
      for (const meter of meters) count(meter, day, 1);
      return this.claimed(bounds, meters, day);
    } catch (error) {
      for (const { id } of bounds) this.letGo(id);
      throw error;
    }
  }

  private claimed(bounds: readonly Bound[], meters: readonly Meter[], day: string): RunClaim {
    let state: 'open' | 'spent' | 'over' = 'open';
    return {
      writes: bounds.map((bound) => ({ kind: 'key.spend', ...bound, day })),
      spend: () => {
        if (state === 'open') state = 'spent';
      },
      release: () => {
        if (state === 'over') return;
        if (state === 'open') for (const meter of meters) count(meter, day, -1);
        state = 'over';
        for (const { id } of bounds) this.letGo(id);
      },
    };
  }

  /** Loaded anew whenever nobody holds it: what is durable by then is what counts. */
  private hold(id: string): Meter {
    const known = this.meters.get(id);
    if (known) {
      known.holders += 1;
      return known;
    }
    const reading = this.keys.usage(id);
    const meter: Meter = { holders: 1, usage: undefined, loaded: reading.then((usage) => void (meter.usage = usage)) };
    this.meters.set(id, meter);
    return meter;
  }

  private letGo(id: string): void {
    const meter = this.meters.get(id);
    if (!meter) return;
    meter.holders -= 1;
    if (meter.holders === 0) this.meters.delete(id);
  }

  private assertLeft({ budget, calls }: Bound, usage: KeyUsage | undefined, day: string): void {
    if (calls !== null && (usage?.runs ?? 0) >= calls)
      throw new GatewayError('budget_used_up', 'This key, or one that it was made from, has had all the runs that it was made for.');
    if (budget === null || runsOn(day, usage) < budget) return;
    const now = Date.parse(this.clock.now());
    throw new GatewayError('budget_used_up', 'This key, or one that it was made from, has had its runs of this day (UTC).', {
      retryAfterSeconds: Math.ceil((DAY_MS - (now % DAY_MS)) / 1000),
    });
  }

  private today(): string {
    return this.clock.now().slice(0, 10);
  }
}

function boundsOf(principal: Principal): Bound[] {
  const found: Bound[] = [];
  for (let at: Principal | null = principal; at?.bounds; at = at.bounds.parent) {
    const { budget, calls } = at.bounds;
    if (budget !== null || calls !== null) found.push({ id: at.id, budget, calls });
  }
  return found;
}

/** As the store counts: a day that lies before the last one known goes on as that one. */
function runsOn(day: string, usage: KeyUsage | undefined): number {
  return usage && usage.day >= day ? usage.dayRuns : 0;
}

function count(meter: Meter, day: string, by: 1 | -1): void {
  const { usage } = meter;
  const last = usage && usage.day > day ? usage.day : day;
  meter.usage = { day: last, dayRuns: Math.max(0, runsOn(day, usage) + by), runs: Math.max(0, (usage?.runs ?? 0) + by) };
}

function leftOf(limit: number | null, used: number): RunsLeft | null {
  return limit === null ? null : { limit, remaining: Math.max(0, limit - used) };
}

function tightest(bounds: readonly (RunsLeft | null)[]): RunsLeft | null {
  const given = bounds.filter((bound) => bound !== null);
  return given.reduce<RunsLeft | null>((least, bound) => (least && least.remaining <= bound.remaining ? least : bound), null);
}
