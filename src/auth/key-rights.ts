import { canonicalJson } from '../domain/audit.js';
import { type ApiKey, type KeyBounds, type Principal, ROLES, type Role } from '../domain/principal.js';

/** Whom a key makes of a caller, when it was let in with the secret of that generation. `parent`: holder of the key that it was made from. */
export function holderOf(key: ApiKey, generation: number, address: string, parent: Principal | null): Principal {
  const { id, name, scopes } = key;
  const role = parent ? lowerRole(key.role, parent.role) : key.role;
  const holder = { id, name, role, scopes, address, generation };
  return isBounded(key) ? { ...holder, bounds: boundsOf(key, parent) } : holder;
}

/** Whether both callers may do the same; names may differ. */
export function haveSameRights(one: Principal, other: Principal): boolean {
  return canonicalJson(rightsOf(one)) === canonicalJson(rightsOf(other));
}

/** The lower of two roles. */
export function lowerRole(one: Role, other: Role): Role {
  return ROLES.find((role) => role === one || role === other) ?? one;
}

function rightsOf({ id, role, scopes, bounds }: Principal): unknown {
  return { id, role, scopes, bounds: bounds && { ...bounds, parent: bounds.parent && rightsOf(bounds.parent) } };
}

function isBounded({ rate, budget, calls, tokens, pins, parentId }: ApiKey): boolean {
  if (tokens !== null) return true;
  return rate !== null || budget !== null || calls !== null || parentId !== null || Object.keys(pins).length > 0;
}

function boundsOf({ rate, budget, calls, tokens, pins }: ApiKey, parent: Principal | null): KeyBounds {
  return { rate, budget, calls, tokens, pins, parent };
}
