import { assertMayRun, pinArguments } from '../auth/permissions.js';
import type { RunWalk } from './run-walk.js';

/**
 * The step `authorise`, for runs and for plans of them: what the caller's key is bound to takes its place among the arguments.
 * @throws GatewayError `command_unknown`, `forbidden`
 */
export function authorise(walk: RunWalk): void {
  const { origin, command } = walk;
  assertMayRun(origin.principal, command);
  walk.args = pinArguments(origin.principal, command, walk.args);
}
