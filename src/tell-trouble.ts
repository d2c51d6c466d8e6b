import type { Logger } from 'pino';
import type { ErrorTracker } from './domain/error-tracker.js';
import type { Trouble } from './storage/sqlite/commit-queue.js';

/** A store that is not written is the one thing that stops everything: an operator hears of it once, when it comes. */
export function tellTrouble({ logger, errors }: { logger: Logger; errors: ErrorTracker }, trouble: Trouble | undefined): void {
  if (!trouble) return logger.info('the store takes writes again');
  errors.report({ name: 'store_unwritable' });
  if (trouble.kind === 'final') logger.error({ reason: trouble.reason }, 'the store takes no writes until the gateway is restarted');
  else logger.error({ reason: trouble.reason }, 'the store cannot be written; nothing runs until it can');
}
