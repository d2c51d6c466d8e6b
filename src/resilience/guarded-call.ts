import { GatewayError } from '../domain/errors.js';
import type { FailureCause } from '../domain/failure.js';
import type { Attempt, GuardPolicy, Resilience } from './resilience.js';
import { leftWithin } from './time-limits.js';

/** How a call out of TypeScript is guarded. */
export interface CallPolicy extends GuardPolicy {
  /** How long each attempt may take, milliseconds: 1 ms to 24 h. */
  readonly timeoutMs: number;
  /** What an error means; by default what a GatewayError has in `extra.failure`. Undefined: it says nothing, and is not tried again. */
  readonly causeOf?: (error: unknown) => FailureCause | undefined;
}

type Settled<T> = Attempt & ({ readonly value: T } | { readonly error: unknown });

const LONGEST_MS = 86_400_000;

/**
 * Does `work` inside timeout, breaker and retry. Its signal aborts when its time is over or `signal` aborts; the caller is answered
 * then at once, whether `work` listens or not.
 * @throws whatever the last attempt threw; GatewayError `executor_unavailable` after a timeout, `breaker_open` and `busy` by the breaker,
 *   `internal` for a timeout out of bounds; the reason of `signal` when that aborts
 */
export async function guardedCall<T>(
  resilience: Resilience,
  policy: CallPolicy,
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal = new AbortController().signal,
): Promise<T> {
  if (!(policy.timeoutMs >= 1 && policy.timeoutMs <= LONGEST_MS))
    throw new GatewayError('internal', 'A timeout lies between 1 ms and 24 h.');
  signal.throwIfAborted();
  const settled = await resilience.run(policy, signal, () => attemptAt(policy, work, signal));
  if ('value' in settled) return settled.value;
  signal.throwIfAborted();
  throw settled.error;
}

async function attemptAt<T>(policy: CallPolicy, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<Settled<T>> {
  let own: AbortSignal | undefined;
  try {
    const value = await leftWithin(policy.timeoutMs, signal, (given) => work((own = given)));
    return { failure: null, value };
  } catch (error) {
    if (signal.aborted) return { failure: 'unclear', error };
    const failure: FailureCause | undefined = own?.aborted ? { kind: 'timeout' } : (policy.causeOf ?? causeIn)(error);
    return { failure: failure ?? 'unclear', error: own?.aborted ? tooLate(error) : error };
  }
}

function causeIn(error: unknown): FailureCause | undefined {
  return error instanceof GatewayError ? error.extra.failure : undefined;
}

function tooLate(cause: unknown): GatewayError {
  return new GatewayError('executor_unavailable', 'There was no answer in time.', { failure: { kind: 'timeout' }, cause });
}
