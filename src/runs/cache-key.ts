import { hash } from 'node:crypto';
import { canonicalJson } from '../domain/audit.js';
import type { Command, Preparation } from '../domain/command.js';
import type { Principal } from '../domain/principal.js';

/** Numbers of command objects: a reload makes another object of whatever it changes, if only the value of a variable. */
const numbers = new WeakMap<Command, number>();
let lastNumber = 0;

/**
 * Same command, same arguments, same rights: same key. A digest, so that nothing can be read from it.
 * Two keys of callers have the same rights when nothing but name, address and pace tells them apart.
 */
export function cacheKey(command: Command, { argsDigest }: Preparation, principal: Principal): string {
  return hash('sha256', canonicalJson([numberOf(command), argsDigest, rightsOf(principal)]));
}

function numberOf(command: Command): number {
  let number = numbers.get(command);
  if (number === undefined) numbers.set(command, (number = ++lastNumber));
  return number;
}

function rightsOf({ role, scopes, bounds }: Principal): unknown {
  return [role, [...scopes].sort(), bounds?.pins ?? null, bounds?.parent ? rightsOf(bounds.parent) : null];
}
