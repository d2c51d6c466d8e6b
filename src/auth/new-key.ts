import type { ApiKey, PrincipalId } from '../domain/principal.js';
import { GatewayError } from '../domain/errors.js';
import type { NewChildKey, NewKey } from './auth.schemas.js';
import { isAlive } from './key-life.js';
import type { KeyTerms } from './child-rules.js';
import type { GeneratedKey } from './key-format.js';
import { lowerRole } from './key-rights.js';

const LONGEST_LIFE_MS = 100 * 365 * 86_400_000;
const CHILD_LIFE_MS = 60 * 60 * 1000;

export interface Expiry {
  readonly expiresAt?: string | null | undefined;
  readonly expiresIn?: number | undefined;
}

/** Where a key comes from. */
export interface Making {
  readonly by: PrincipalId;
  readonly at: string;
  readonly parentId: PrincipalId | null;
}

/** The record of a new key. */
export function newApiKey(name: string, terms: KeyTerms, { id, secretHash }: GeneratedKey, { by, at, parentId }: Making): ApiKey {
  return {
    id,
    secretHash,
    name,
    ...terms,
    createdAt: at,
    createdBy: by,
    revokedAt: null,
    lastUsedAt: null,
    parentId,
    generation: 0,
    rotatedAt: null,
    previous: null,
  };
}

/** @throws GatewayError `invalid_request` when its end is past or more than 100 years ahead */
export function termsOfNew(request: NewKey, now: string): KeyTerms {
  const { role, scopes, addresses = null, rate = null, budget = null, tokens = null } = request;
  return { role, scopes, expiresAt: endOf(request, now) ?? null, addresses, rate, budget, calls: null, tokens, pins: {} };
}

/** What is left out is as with the parent; without an end of its own it ends in an hour, or with its parent if that is sooner. */
export function termsOfChild(request: NewChildKey, parent: ApiKey, now: string): KeyTerms {
  const { role, scopes, addresses, rate, budget, calls, tokens, pinned } = request;
  const inAnHour = new Date(Date.parse(now) + CHILD_LIFE_MS).toISOString();
  const usualEnd = parent.expiresAt !== null && parent.expiresAt < inAnHour ? parent.expiresAt : inAnHour;
  return {
    role: role ?? lowerRole(parent.role, 'operator'),
    scopes: scopes ?? parent.scopes,
    expiresAt: endOf(request, now) ?? usualEnd,
    addresses: addresses ?? parent.addresses,
    rate: rate ?? parent.rate,
    budget: budget ?? parent.budget,
    calls: calls ?? parent.calls,
    tokens: tokens ?? parent.tokens,
    pins: pinned,
  };
}

/** Undefined when nothing is said of an end. @throws GatewayError `invalid_request` when it is past or more than 100 years ahead */
export function endOf({ expiresAt, expiresIn }: Expiry, now: string): string | null | undefined {
  if (expiresIn === undefined && (expiresAt === undefined || expiresAt === null)) return expiresAt;
  const from = Date.parse(now);
  const end = typeof expiresAt === 'string' ? Date.parse(expiresAt) : from + (expiresIn ?? 0);
  if (end > from && end <= from + LONGEST_LIFE_MS) return new Date(end).toISOString();
  const path = expiresIn === undefined ? 'expiresAt' : 'expiresIn';
  throw new GatewayError('invalid_request', 'The key would not be valid for a sensible time.', {
    errors: [{ path, message: 'expected an end in the future, at most 100 years ahead' }],
  });
}

/** What the audit log is told of a key: no secret, and of pinned values the names of their params alone. */
export function auditedTerms({ name, role, scopes, expiresAt, parentId, ...bounds }: ApiKey): Readonly<Record<string, unknown>> {
  const { addresses, rate, budget, calls, tokens, pins } = bounds;
  const pinned = Object.entries(pins).map(([command, values]) => `${command}(${Object.keys(values).join(', ')})`);
  const given = Object.entries({ addresses, rate, budget, calls, tokens, parent: parentId }).filter(([, value]) => value !== null);
  return { name, role, scopes, expiresAt, ...Object.fromEntries(given), ...(pinned.length > 0 ? { pinned } : {}) };
}

/** @throws GatewayError `conflict` for a key that has ended */
export function assertAlive(key: ApiKey, now: string): void {
  if (!isAlive(key, now)) throw new GatewayError('conflict', 'The key has ended.');
}
