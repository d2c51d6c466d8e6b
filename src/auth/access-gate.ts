import { GatewayError } from '../domain/errors.js';
import type { Budget } from '../domain/ports.js';
import { type Principal, type Role, roleAtLeast } from '../domain/principal.js';
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

/**
 * The first gate: who asks, may they use this route, have they asked too often. It stands before the body is read, in this order:
 * limit of the address → key → role → limit of the key. So an address that guesses keys is slowed down and causes no lookups,
 * and nobody can use up the window of a key they do not hold. Whatever it throws keeps the request out.
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
    const spent = this.note(request, {}, 'address', await this.limits.spendFromAddress(address));
    if (access === undefined) throw new GatewayError('forbidden', 'This route does not declare who may use it, so nobody may.');
    if (access === 'public') return undefined;
    const principal = await (access === 'optional'
      ? this.authenticator.authenticateIfGiven(request.rawHeaders, address)
      : this.authorise(request, access));
    if (principal) this.note(request, spent, 'key', await this.limits.spendFromKey(principal));
    return principal;
  }

  private async authorise(request: GateRequest, needed: Role): Promise<Principal> {
    const principal = await this.authenticator.authenticate(request.rawHeaders, request.address);
    request.identify?.(principal);
    if (!roleAtLeast(principal.role, needed)) throw new GatewayError('forbidden', `This takes a key of the role ${needed} or higher.`);
    return principal;
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
