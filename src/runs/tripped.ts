import type { Command, Preparation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { TripwireRule } from '../domain/tripwire.js';
import { trippedBy } from '../tripwire/tripwire.js';
import type { RunRequest } from './run-request.js';

interface Inspected {
  readonly command: Pick<Command, 'ignoredRules'>;
  readonly preparation: Pick<Preparation, 'inspected'>;
  readonly request: RunRequest;
}

/** The first rule of the tripwire that a call trips, in what its program would get or in the free text that it came from. */
export function tripped({ command, preparation, request }: Inspected): TripwireRule | undefined {
  const { ignoredRules } = command;
  for (const text of preparation.inspected) {
    const rule = trippedBy(text, ignoredRules);
    if (rule) return rule;
  }
  return request.text === undefined ? undefined : trippedBy(request.text, ignoredRules);
}

export function blocked(rule: TripwireRule): GatewayError {
  return new GatewayError('blocked', `The arguments look like something that does harm (${rule}).`);
}
