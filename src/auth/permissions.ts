import { LRUCache } from 'lru-cache';
import picomatch from 'picomatch';
import { canonicalJson } from '../domain/audit.js';
import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { type PinnedArguments, type Principal, roleAtLeast } from '../domain/principal.js';
import type { Run } from '../domain/run.js';

/** The only place that decides what a principal may do with commands and runs. */

/** `invisible`: outside the scopes, so for this principal the command does not exist. `role_too_low`: it may look but not run. */
export type RunPermission = 'allowed' | 'invisible' | 'role_too_low';

type Scoped = Pick<Command, 'name'>;
type Matcher = (name: string) => boolean;

/** Scopes are written with `*` alone (see `newKeySchema`), which matches dots too; whatever else globs can do stays off. */
const GLOB_OPTIONS = { dot: true, nobrace: true, nobracket: true, noextglob: true, nonegate: true } as const;
const matchers = new LRUCache<string, Matcher>({ max: 1000 });

/** Whether the command exists for the principal. What its key was made from must see it too. */
export function canSee({ scopes, bounds }: Principal, command: Scoped): boolean {
  return scopes.some((scope) => matchesGlob(scope, command.name)) && (!bounds?.parent || canSee(bounds.parent, command));
}

/** Whether every name that `inner` matches is matched by one of the scopes by itself: a star is matched by stars alone. */
export function isScopeWithin(inner: string, scopes: readonly string[]): boolean {
  return scopes.some((scope) => matchesGlob(scope, inner));
}

/** Nobody below `operator` runs anything, whatever role a command asks for. */
export function mayRun(principal: Principal, command: Pick<Command, 'name' | 'role'>): RunPermission {
  if (!canSee(principal, command)) return 'invisible';
  return roleAtLeast(principal.role, 'operator') && roleAtLeast(principal.role, command.role) ? 'allowed' : 'role_too_low';
}

/** @throws GatewayError `command_unknown` outside the scopes, as for a command that nobody declared; `forbidden` for too low a role */
export function assertMayRun(principal: Principal, command: Pick<Command, 'name' | 'role'>): void {
  switch (mayRun(principal, command)) {
    case 'allowed':
      return;
    case 'invisible':
      throw new GatewayError('command_unknown', 'There is no such command.');
    case 'role_too_low':
      throw new GatewayError('forbidden', 'The role of this key is too low to run that command.');
  }
}

/**
 * The arguments, with what the principal's key and those above it pin filled in.
 * @throws GatewayError `forbidden`, with the names of params that were given another value
 */
export function pinArguments(principal: Principal, command: Scoped, args: unknown): unknown {
  const { bounds } = principal;
  if (!bounds) return args;
  const given = bounds.parent ? pinArguments(bounds.parent, command, args) : args;
  const pins = Object.hasOwn(bounds.pins, command.name) ? bounds.pins[command.name] : undefined;
  if (!pins) return given;
  const wrong = Object.keys(pins).filter((param) => !isOpenTo(given, param, pins[param]));
  if (wrong.length === 0) return { ...(given as object), ...pins };
  throw new GatewayError('forbidden', 'This key may run that command with certain arguments only.', {
    errors: wrong.map((param) => ({ path: `args.${param}`, message: 'is pinned by this key to another value' })),
  });
}

/** Everything that the principal's key and those above it pin. */
export function pinsFor({ bounds }: Principal): PinnedArguments {
  if (!bounds) return {};
  const above = bounds.parent ? pinsFor(bounds.parent) : {};
  const own = Object.entries(bounds.pins).map(([command, pins]) => [command, { ...above[command], ...pins }] as const);
  return { ...above, ...Object.fromEntries(own) };
}

/** Whether the arguments leave the param out, or give it exactly this value. */
function isOpenTo(args: unknown, param: string, value: unknown): boolean {
  if (typeof args !== 'object' || args === null || Array.isArray(args)) return false;
  return !Object.hasOwn(args, param) || canonicalJson((args as Readonly<Record<string, unknown>>)[param]) === canonicalJson(value);
}

/** Callers see their own runs; admins see all. */
export function maySeeRun(principal: Principal, run: Pick<Run, 'principalId'>): boolean {
  return run.principalId === principal.id || principal.role === 'admin';
}

/** Whether a glob, as scopes are written, matches a name. */
export function matchesGlob(glob: string, name: string): boolean {
  return matcherOf(glob)(name);
}

function matcherOf(scope: string): Matcher {
  const known = matchers.get(scope);
  if (known) return known;
  const pattern = picomatch.makeRe(scope, GLOB_OPTIONS);
  const matcher: Matcher = (name) => pattern.test(name);
  matchers.set(scope, matcher);
  return matcher;
}
