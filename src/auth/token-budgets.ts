import type { Write } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { Principal, PrincipalId, TokenUsage } from '../domain/principal.js';
import type { KeyStore } from '../domain/stores.js';
import type { RunsLeft } from './key-budgets.js';

const DAY_MS = 86_400_000;

/** The tokens of one bound key, while somebody asks a model with it. */
interface Meter {
  holders: number;
  readonly loaded: Promise<void>;
  usage: TokenUsage | undefined;
  /** What calls under way may still take. */
  expected: number;
}

interface Bound {
  readonly id: PrincipalId;
  readonly limit: number;
}

/** A call of a language model that its caller's bounds let through. */
export interface TokenClaim {
  /** What counts these tokens durably; belongs into the commit that records the call. None where nothing was taken. */
  writes(tokens: number): readonly Write[];
  /** They are recorded. */
  spend(tokens: number): void;
  /** Gives back what the call might have taken. Safe to call more than once. */
  release(): void;
}

/**
 * Tokens of language models a day, of keys that are bound to a number of them. What a call takes is known after it, so a bound is kept like
 * this: a call is let through while something is left, counting what calls under way are expected to take; then what it took is counted, also
 * beyond the bound. A restart forgets nothing that was recorded. A child's tokens count for every key above it too.
 */
export class TokenBudgets {
  private readonly meters = new Map<PrincipalId, Meter>();

  constructor(
    private readonly keys: KeyStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Undefined for a caller that is bound to no number of tokens. Rejects with `budget_used_up`, `storage_unavailable`.
   * @param expected tokens that the call may take
   */
  claim(principal: Principal, expected: number): Promise<TokenClaim> | undefined {
    const bounds = boundsOf(principal);
    return bounds.length === 0 ? undefined : this.claimAll(bounds, expected);
  }

  /** What is left of the tightest of the caller's bounds, those of the keys above it included; null where there is none. */
  async left(principal: Principal): Promise<RunsLeft | null> {
    const day = this.today();
    const lefts = await Promise.all(
      boundsOf(principal).map(async ({ id, limit }) => ({
        limit,
        remaining: Math.max(0, limit - tokensOn(day, await this.keys.tokens(id))),
      })),
    );
    return lefts.reduce<RunsLeft | null>((least, one) => (least && least.remaining <= one.remaining ? least : one), null);
  }

  private async claimAll(bounds: readonly Bound[], expected: number): Promise<TokenClaim> {
    const meters = bounds.map(({ id }) => this.hold(id));
    try {
      await Promise.all(meters.map(({ loaded }) => loaded));
      const day = this.today();
      // Nothing is awaited between looking and counting.
      for (const [index, { limit }] of bounds.entries()) this.assertLeft(limit, meters[index], day);
      for (const meter of meters) meter.expected += expected;
    } catch (error) {
      for (const { id } of bounds) this.letGo(id);
      throw error;
    }
    return this.claimed(bounds, meters, expected);
  }

  private claimed(bounds: readonly Bound[], meters: readonly Meter[], expected: number): TokenClaim {
    let isOpen = true;
    return {
      writes: (tokens) => (tokens === 0 ? [] : bounds.map(({ id }) => ({ kind: 'key.tokens', id, day: this.today(), tokens }))),
      spend: (tokens) => {
        for (const meter of meters) count(meter, this.today(), tokens);
      },
      release: () => {
        if (!isOpen) return;
        isOpen = false;
        for (const meter of meters) meter.expected -= expected;
        for (const { id } of bounds) this.letGo(id);
      },
    };
  }

  /** Loaded anew whenever nobody holds it: what is durable by then is what counts. */
  private hold(id: PrincipalId): Meter {
    const known = this.meters.get(id);
    if (known) {
      known.holders += 1;
      return known;
    }
    const reading = this.keys.tokens(id);
    const meter: Meter = { holders: 1, expected: 0, usage: undefined, loaded: reading.then((usage) => void (meter.usage = usage)) };
    this.meters.set(id, meter);
    return meter;
  }

  private letGo(id: PrincipalId): void {
    const meter = this.meters.get(id);
    if (!meter) return;
    meter.holders -= 1;
    if (meter.holders === 0) this.meters.delete(id);
  }

  private assertLeft(limit: number, meter: Meter | undefined, day: string): void {
    const taken = tokensOn(day, meter?.usage);
    if (taken >= limit) {
      const now = Date.parse(this.clock.now());
      throw new GatewayError('budget_used_up', 'This key, or one that it was made from, has had its tokens of this day (UTC).', {
        retryAfterSeconds: Math.ceil((DAY_MS - (now % DAY_MS)) / 1000),
      });
    }
    if (taken + (meter?.expected ?? 0) < limit) return;
    throw new GatewayError(
      'budget_used_up',
      'What is left of the tokens of this key, or of one that it was made from, is in use by other calls.',
      {
        retryAfterSeconds: 1,
      },
    );
  }

  private today(): string {
    return this.clock.now().slice(0, 10);
  }
}

function boundsOf(principal: Principal): Bound[] {
  const found: Bound[] = [];
  for (let at: Principal | null = principal; at?.bounds; at = at.bounds.parent) {
    const { tokens } = at.bounds;
    if (tokens !== null) found.push({ id: at.id, limit: tokens });
  }
  return found;
}

/** As the store counts: a day that lies before the last one known goes on as that one. */
function tokensOn(day: string, usage: TokenUsage | undefined): number {
  return usage && usage.day >= day ? usage.tokens : 0;
}

function count(meter: Meter, day: string, tokens: number): void {
  const { usage } = meter;
  meter.usage = { day: usage && usage.day > day ? usage.day : day, tokens: tokensOn(day, usage) + tokens };
}
