import { setTimeout as delay } from 'node:timers/promises';

/**
 * Tries until `attempt` neither throws nor gives false, and resolves to what it gave.
 * Rejects after `withinMs` with the last error.
 */
export async function eventually<T>(attempt: () => T | false | Promise<T | false>, withinMs = 5_000, everyMs = 5): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      const result = await attempt();
      if (result !== false) return result;
      throw new Error('The condition did not hold in time.');
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    await delay(everyMs);
  }
}
