import { LRUCache } from 'lru-cache';
import picomatch from 'picomatch';
import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { type Principal, roleAtLeast } from '../domain/principal.js';
import type { Run } from '../domain/run.js';

/** The only place that decides what a principal may do with commands and runs. */

/** `invisible`: outside the scopes, so for this principal the command does not exist. `role_too_low`: it may look but not run. */
export type RunPermission = 'allowed' | 'invisible' | 'role_too_low';

type Scoped = Pick<Command, 'name'>;
type Matcher = (name: string) => boolean;

/** Scopes are written with `*` alone (see `newKeySchema`), which matches dots too; whatever else globs can do stays off. */
const GLOB_OPTIONS = { dot: true, nobrace: true, nobracket: true, noextglob: true, nonegate: true } as const;
const matchers = new LRUCache<string, Matcher>({ max: 1000 });

/** Whether the command exists for the principal. */
export function canSee({ scopes }: Principal, { name }: Scoped): boolean {
  return scopes.some((scope) => matchesGlob(scope, name));
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
