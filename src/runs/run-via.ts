import type { Command } from '../domain/command.js';
import type { Executor } from '../domain/executor.js';
import type { Ticket } from './admission.js';

/** How a room above has a command carried out: along the same path, by another executor. */
export interface RunVia {
  /** The command as this run has it: of the same name and rights, with other arguments, time or limits. @throws GatewayError */
  readonly as: (command: Command) => Command;
  /** Arguments that the caller's key must agree with, where those of the run are none that a key could pin. */
  readonly pinnable?: () => unknown;
  /** Asked for when its turn has come. */
  readonly executor: () => Executor;
  /** Claims what the run needs, at once. @param slot claims one of the slots that all runs share @throws GatewayError */
  readonly claim: (slot: () => Ticket) => Ticket;
}
