import { setTimeout as delay } from 'node:timers/promises';
import { timeout, TimeoutStrategy } from 'cockatiel';

const LISTENING = { strategy: TimeoutStrategy.Cooperative, abortOnReturn: false } as const;
const LEAVING = { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false } as const;

type Work<T> = (signal: AbortSignal) => Promise<T>;

/** Tells `work` by its signal when the time is over, or `signal` aborts, and waits until it has ended. */
export function toldWithin<T>(limitMs: number, signal: AbortSignal, work: Work<T>): Promise<T> {
  return timeout(limitMs, LISTENING).execute((context) => work(context.signal), signal);
}

/** The same, but waits for nobody: rejects at once when the time is over or `signal` aborts, whatever `work` still does. */
export function leftWithin<T>(limitMs: number, signal: AbortSignal, work: Work<T>): Promise<T> {
  return timeout(limitMs, LEAVING).execute((context) => work(context.signal), signal);
}

/** Waits; not longer than until `signal` aborts. */
export async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(waitMs, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
