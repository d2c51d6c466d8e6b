import { type CallPolicy, guardedCall } from './guarded-call.js';
import type { Resilience } from './resilience.js';

/** Who has methods that are {@link Resilient}. */
export interface Guarded {
  readonly resilience: Resilience;
}

type Method<Arguments extends readonly unknown[], Result> = (...given: [...Arguments, AbortSignal]) => Promise<Result>;

/**
 * Makes each call of a method a guarded one, as `guardedCall` has it. The method takes an AbortSignal last: it gets the signal of
 * its attempt, and its caller gives the one that ends the whole.
 */
export function Resilient(policy: CallPolicy) {
  return <Arguments extends readonly unknown[], Result>(
    _owner: Guarded,
    _name: string | symbol,
    descriptor: TypedPropertyDescriptor<Method<Arguments, Result>>,
  ): void => {
    const method = descriptor.value as Method<Arguments, Result>;
    descriptor.value = function (this: Guarded, ...given) {
      const args = given.slice(0, -1) as unknown as Arguments;
      const work = (signal: AbortSignal) => method.apply(this, [...args, signal]);
      return guardedCall(this.resilience, policy, work, given.at(-1) as AbortSignal);
    };
  };
}
