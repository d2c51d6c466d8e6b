import type { Settings } from '../config/settings.schema.js';
import type { Rate } from '../domain/rate.js';
import { GatewayError } from '../domain/errors.js';
import type { Budget, RateCounter } from '../domain/ports.js';
import type { Principal } from '../domain/principal.js';
import { addressBucket } from '../http/address-bucket.js';
import type { AuthObserver, RateScope } from './auth-observer.js';

export interface RateLimitRules {
  readonly enabled: boolean;
  readonly rates: Readonly<Record<RateScope, Rate>>;
}

/** The rules as the settings have them at the moment. */
export function rateLimitRules(
  settings: Pick<Settings, 'RATE_LIMIT_ENABLED' | 'RATE_LIMIT_PER_KEY' | 'RATE_LIMIT_PER_ADDRESS'>,
): RateLimitRules {
  return {
    get enabled() {
      return settings.RATE_LIMIT_ENABLED;
    },
    rates: {
      get key() {
        return settings.RATE_LIMIT_PER_KEY;
      },
      get address() {
        return settings.RATE_LIMIT_PER_ADDRESS;
      },
    },
  };
}

/** Budgets of the windows that a request has spent from. */
export type Budgets = Readonly<Partial<Record<RateScope, SpentBudget>>>;

/** With the length of its window where that is a key's own. */
export interface SpentBudget extends Budget {
  readonly windowSeconds?: number;
}

/** A limit as callers see it. */
export interface LimitLeft {
  readonly limit: number;
  readonly windowSeconds: number;
  readonly remaining: number;
  readonly resetSeconds: number;
}

const UNLIMITED = Promise.resolve(undefined);
const SCOPES = ['key', 'address'] as const satisfies readonly RateScope[];

/** How often keys and addresses may ask. */
export class RateLimits {
  constructor(
    private readonly counter: RateCounter,
    private readonly rules: RateLimitRules,
    private readonly observer: AuthObserver,
  ) {}

  /**
   * Spends one request from a window of the address, of which there are two: for requests with a valid key, and for all others.
   * Undefined when limits are off. What it means is up to the caller.
   */
  spendFromAddress(address: string, hasKey = true): Promise<Budget | undefined> {
    if (!this.rules.enabled) return UNLIMITED;
    return hasKey
      ? this.spend('address', addressBucket(address))
      : this.counter.spend(`stranger:${addressBucket(address)}`, this.rules.rates.address);
  }

  /** Spends one request from the window of the key, and of each that it was made from; undefined when limits are off. */
  spendFromKey(principal: Principal): Promise<SpentBudget | undefined> {
    if (!this.rules.enabled) return UNLIMITED;
    return principal.bounds ? this.spendFromLine(principal) : this.spend('key', principal.id);
  }

  /** @throws GatewayError `rate_limited` when the key's window is used up */
  async spendForKey(principal: Principal): Promise<void> {
    this.assertAllowed('key', await this.spendFromKey(principal));
  }

  /** @throws GatewayError `rate_limited` with the seconds until the window starts anew */
  assertAllowed(scope: RateScope, budget: Budget | undefined): void {
    if (!budget || budget.allowed) return;
    this.observer.rateLimited(scope);
    const whose = scope === 'key' ? 'This key' : 'This address';
    throw new GatewayError('rate_limited', `${whose} has used up its requests; the next one is possible in ${budget.resetSeconds} s.`, {
      retryAfterSeconds: budget.resetSeconds,
    });
  }

  /** `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11) for the windows spent from. */
  headers(budgets: Budgets): Readonly<Record<string, string>> {
    const spent = SCOPES.flatMap((scope) => {
      const budget = budgets[scope];
      return budget ? [{ scope, budget, window: budget.windowSeconds ?? this.windowSeconds(scope) }] : [];
    });
    if (spent.length === 0) return {};
    return {
      'ratelimit-policy': spent.map(({ scope, budget, window }) => `"${scope}";q=${budget.limit};w=${window}`).join(', '),
      ratelimit: spent.map(({ scope, budget }) => `"${scope}";r=${budget.remaining};t=${budget.resetSeconds}`).join(', '),
    };
  }

  /** What the principal has left, without spending; null when limits are off. */
  async left(principal: Principal): Promise<Readonly<Record<RateScope, LimitLeft>> | null> {
    if (!this.rules.enabled) return null;
    const { rates } = this.rules;
    const [key, address] = await Promise.all([
      this.look(`key:${principal.id}`, this.rateOf(principal)),
      this.look(`address:${addressBucket(principal.address)}`, rates.address),
    ]);
    return { key, address };
  }

  /** @returns the tightest of the windows; one that is used up keeps the rest of the line from being spent from */
  private async spendFromLine(principal: Principal): Promise<SpentBudget> {
    const rate = this.rateOf(principal);
    const own = { ...(await this.counter.spend(`key:${principal.id}`, rate)), windowSeconds: Math.ceil(rate.windowMs / 1000) };
    const parent = principal.bounds?.parent;
    if (!parent || !own.allowed) return own;
    const above = await this.spendFromLine(parent);
    return above.allowed && own.remaining <= above.remaining ? own : above;
  }

  private rateOf({ bounds }: Principal): Rate {
    return bounds?.rate ?? this.rules.rates.key;
  }

  private spend(scope: RateScope, bucket: string): Promise<Budget> {
    return this.counter.spend(`${scope}:${bucket}`, this.rules.rates[scope]);
  }

  private async look(bucket: string, rate: Rate): Promise<LimitLeft> {
    const { limit, remaining, resetSeconds } = await this.counter.peek(bucket, rate);
    return { limit, windowSeconds: Math.ceil(rate.windowMs / 1000), remaining, resetSeconds };
  }

  private windowSeconds(scope: RateScope): number {
    return Math.ceil(this.rules.rates[scope].windowMs / 1000);
  }
}
