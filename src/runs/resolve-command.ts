import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { canSee } from '../auth/permissions.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { PlanBook } from './plan-book.js';
import type { RunWalk } from './run-walk.js';

/**
 * The step `resolve`: name, phrase or plan → command and raw arguments. What the caller may not see does not exist for it.
 * @throws GatewayError `command_unknown`, with what comes near; `plan_unknown`; `plan_void` when the plan's command was declared anew; `invalid_request`
 *   for an agent
 */
export function resolveCommand(walk: RunWalk, catalogue: Catalogue, plans: PlanBook): void {
  const { request, origin } = walk;
  if (request.planId !== undefined) return resolvePlan(walk, request.planId, catalogue, plans);
  const visible = (command: Command) => canSee(origin.principal, command);
  if (request.text !== undefined) {
    const found = catalogue.resolveText(request.text, visible);
    if (found.kind === 'unmatched') throw unknownCommand('No command has a phrase like this.', found.suggestions);
    walk.command = found.command;
    walk.args = found.args;
    return assertNoAgent(walk.command);
  }
  const name = request.command ?? '';
  const command = catalogue.get(name);
  if (!command || !visible(command)) throw unknownCommand('There is no such command.', catalogue.suggest(name, visible));
  walk.command = request.via ? request.via.as(command) : command;
  walk.args = request.args ?? {};
  if (!request.via) assertNoAgent(command);
}

function assertNoAgent({ agent }: Command): void {
  if (agent) throw new GatewayError('invalid_request', 'This command is an agent: it is started with POST /agents.');
}

function resolvePlan(walk: RunWalk, id: string, catalogue: Catalogue, plans: PlanBook): void {
  const plan = plans.find(walk.origin.principal, id);
  const command = catalogue.get(plan.command.name);
  if (command?.version !== plan.command.version)
    throw new GatewayError('plan_void', 'The command was declared anew since. Make another plan.');
  walk.plan = plan;
  walk.command = command;
  walk.args = plan.args;
}

function unknownCommand(what: string, suggestions: readonly string[]): GatewayError {
  const hint = suggestions.length > 0 ? ` Did you mean: ${suggestions.join(', ')}?` : '';
  return new GatewayError('command_unknown', `${what}${hint}`);
}
