import { GatewayError } from '../domain/errors.js';

const ATTEMPTS = 3;

/** Tries again from the beginning when somebody else wrote between reading and writing. */
export async function retryingConflicts<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'conflict') || attempt === ATTEMPTS) throw error;
    }
  }
}
