import { GatewayError } from '../domain/errors.js';
import type { Budget } from '../domain/ports.js';
import { type Principal, roleAtLeast } from '../domain/principal.js';
import type { RouteAccess } from '../http/route-access.js';
import type { RateScope } from './auth-observer.js';
import type { Authenticator } from './authenticator.js';
import { readCredentials } from './credentials.js';
import type { Budgets, RateLimits } from './rate-limits.js';

/** A route's access once settings are looked up. */
export type Access = Extract<RouteAccess, string>;

export interface GateRequest {
  /** Undefined when the route declares nothing, which denies. */
  readonly access: Access | undefined;
  /** Names and values in turn, as `IncomingMessage.rawHeaders` has them. */
  readonly rawHeaders: readonly string[];
  /** As the trusted-proxy rule gives it. */
  readonly address: string;
  /** Whether anonymous requests count against no limit: probes must be answered however busy their address is. Keys always count. */
  readonly exempt: boolean;
  /** Told who asks as soon as that is known, also of a request that is refused then: its trail names them. */
  identify?(principal: Principal): void;
  /** Takes the `RateLimit` fields for the answer, also of a refusal; a later call replaces what an earlier one said. */
  announce(headers: Readonly<Record<string, string>>): void;
}

/** What a request's key makes of its sender; neither for one without a key. */
interface Sender {
  readonly principal?: Principal | undefined;
  readonly refusal?: GatewayError;
}

/**
 * The first gate: who asks, may they use this route, have they asked too often. It stands before the body is read, in this order:
 * key → limit of the address → role → limit of the key. An address has two windows, one for requests with a valid key and one for all
 * others: whoever guesses keys is slowed down and locks out nobody, neither from elsewhere nor from behind the same address. And nobody
 * can use up the window of a key they do not hold. Whatever it throws keeps the request out.
 */
export class AccessGate {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly limits: RateLimits,
  ) {}

  /**
   * @returns the caller; undefined on a public route, or on an optional one without a key
   * @throws GatewayError `rate_limited`, `unauthenticated`, `forbidden`, `storage_unavailable`
   */
  async enter(request: GateRequest): Promise<Principal | undefined> {
    const { access, address } = request;
    if (request.exempt && isAnonymous(request)) return undefined;
    const { principal, refusal } = await this.identify(request);
    const spent = this.note(request, {}, 'address', await this.limits.spendFromAddress(address, principal !== undefined));
    if (access === undefined) throw new GatewayError('forbidden', 'This route does not declare who may use it, so nobody may.');
    if (refusal) throw refusal;
    if (!principal || access === 'public') return undefined;
    request.identify?.(principal);
    if (access !== 'optional' && !roleAtLeast(principal.role, access))
      throw new GatewayError('forbidden', `This takes a key of the role ${access} or higher.`);
    this.note(request, spent, 'key', await this.limits.spendFromKey(principal));
    return principal;
  }

  /** Looks at no key where none is asked for. */
  private async identify({ access, rawHeaders, address }: GateRequest): Promise<Sender> {
    if (access === undefined || access === 'public') return {};
    try {
      if (access === 'optional') return { principal: await this.authenticator.authenticateIfGiven(rawHeaders, address) };
      return { principal: await this.authenticator.authenticate(rawHeaders, address) };
    } catch (error) {
      if (error instanceof GatewayError) return { refusal: error };
      throw error;
    }
  }

  /** Tells the answer's headers before it may throw. */
  private note(request: GateRequest, before: Budgets, scope: RateScope, budget: Budget | undefined): Budgets {
    if (!budget) return before;
    const spent = { ...before, [scope]: budget };
    request.announce(this.limits.headers(spent));
    this.limits.assertAllowed(scope, budget);
    return spent;
  }
}

/** Whether the request neither needs a key nor brings one that would be looked at. */
function isAnonymous({ access, rawHeaders }: GateRequest): boolean {
  return access === 'public' || (access === 'optional' && readCredentials(rawHeaders).kind === 'none');
}
