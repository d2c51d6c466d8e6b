import { canonicalJson } from '../domain/audit.js';
import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { Principal } from '../domain/principal.js';
import { assertMayRun, pinArguments } from '../auth/permissions.js';
import { noteCommand } from '../http/request-trail.js';
import type { RunWalk } from './run-walk.js';

/**
 * The step `authorise`, for runs and for plans of them: what the caller's key is bound to takes its place among the arguments.
 * @throws GatewayError `command_unknown`, `forbidden`
 */
export function authorise(walk: RunWalk): void {
  const { origin, command } = walk;
  assertMayRun(origin.principal, command);
  noteCommand(command.name);
  if (walk.request.via?.pinnable) assertPinned(origin.principal, command, walk.request.via.pinnable());
  else walk.args = pinArguments(origin.principal, command, walk.args);
}

/** What was started with arguments that the caller's key pins to others, or leaves open what it pins, is not for this caller. */
function assertPinned(principal: Principal, command: Command, args: unknown): void {
  if (canonicalJson(pinArguments(principal, command, args)) === canonicalJson(args)) return;
  throw new GatewayError('forbidden', 'This key may run that command with certain arguments only.');
}
