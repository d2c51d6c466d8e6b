import { canonicalJson } from '../domain/audit.js';
import type { Rate } from '../domain/rate.js';
import { type FieldError, GatewayError } from '../domain/errors.js';
import { type ApiKey, roleAtLeast } from '../domain/principal.js';
import { isRangeWithin } from '../addresses/address-ranges.js';
import { isScopeWithin } from './permissions.js';

/** What a key lets its holder do. */
export type KeyTerms = Pick<ApiKey, 'role' | 'scopes' | 'expiresAt' | 'addresses' | 'rate' | 'budget' | 'calls' | 'tokens' | 'pins'>;

const RULES: readonly (readonly [path: string, message: string, isWithin: (child: KeyTerms, parent: KeyTerms) => boolean])[] = [
  // An admin manages keys: whatever else it was bound to, it could make itself another one.
  ['role', 'expected no higher role than that of the parent, and never admin', roleIsWithin],
  [
    'scopes',
    'expected scopes within those of the parent',
    (child, parent) => child.scopes.every((one) => isScopeWithin(one, parent.scopes)),
  ],
  ['expiresAt', 'expected an end, not after that of the parent', endIsWithin],
  ['addresses', 'expected addresses within those of the parent', addressesAreWithin],
  ['rate', 'expected no higher rate than that of the parent', (child, parent) => isAtMost(perHour(child.rate), perHour(parent.rate))],
  ['budget', 'expected no larger budget than that of the parent', (child, parent) => isAtMost(child.budget, parent.budget)],
  ['calls', 'expected no more calls than the parent has', (child, parent) => isAtMost(child.calls, parent.calls)],
  ['tokens', 'expected no more tokens than the parent has', (child, parent) => isAtMost(child.tokens, parent.tokens)],
  ['pinned', 'expected the values that the parent pins, and commands within the scopes', pinsAreWithin],
];

/**
 * A child never exceeds its parent, and is narrower in something: a copy would be its parent under another name.
 * @throws GatewayError `forbidden` with everything in which it exceeds
 */
export function assertNarrower(child: KeyTerms, parent: KeyTerms): void {
  const errors: FieldError[] = RULES.flatMap(([path, message, isWithin]) => (isWithin(child, parent) ? [] : [{ path, message }]));
  if (errors.length > 0) throw new GatewayError('forbidden', 'A child key never exceeds the key that it is made from.', { errors });
  if (canonicalJson(termsOf(child)) === canonicalJson(termsOf(parent)))
    throw new GatewayError('forbidden', 'A child key is narrower than the key that it is made from in at least one thing.');
}

function termsOf({ role, scopes, expiresAt, addresses, rate, budget, calls, tokens, pins }: KeyTerms): KeyTerms {
  return { role, scopes, expiresAt, addresses, rate, budget, calls, tokens, pins };
}

function roleIsWithin(child: KeyTerms, parent: KeyTerms): boolean {
  return child.role !== 'admin' && roleAtLeast(parent.role, child.role);
}

function endIsWithin({ expiresAt }: KeyTerms, parent: KeyTerms): boolean {
  return expiresAt !== null && (parent.expiresAt === null || expiresAt <= parent.expiresAt);
}

function addressesAreWithin({ addresses }: KeyTerms, parent: KeyTerms): boolean {
  const ranges = parent.addresses;
  return ranges === null || (addresses !== null && addresses.every((range) => isRangeWithin(range, ranges)));
}

function pinsAreWithin({ pins, scopes }: KeyTerms, parent: KeyTerms): boolean {
  return Object.entries(pins).every(([command, values]) => {
    const above = Object.hasOwn(parent.pins, command) ? (parent.pins[command] ?? {}) : {};
    const agrees = (param: string) => !Object.hasOwn(above, param) || canonicalJson(above[param]) === canonicalJson(values[param]);
    return isScopeWithin(command, scopes) && Object.keys(values).every(agrees);
  });
}

/** Whether a bound is no wider than another; null is no bound. */
function isAtMost(bound: number | null, other: number | null): boolean {
  return other === null || (bound !== null && bound <= other);
}

function perHour(rate: Rate | null): number | null {
  return rate && (rate.count * 3_600_000) / rate.windowMs;
}
