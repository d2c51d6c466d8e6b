import type { Clock } from '../domain/ports.js';
import type { BreakerPolicy, BreakerTransition } from '../domain/resilience.js';
import { Breaker } from './breaker.js';

export interface BreakersOptions {
  readonly clock: Clock;
  /** Breakers that the catalogue in force declares; names may repeat. */
  readonly declared: () => Iterable<BreakerPolicy>;
  /** Told of each change of state; must not throw. */
  readonly onTransition: (transition: BreakerTransition) => void;
}

/** The circuit breakers, by name. */
export class Breakers {
  private byName = new Map<string, Breaker>();
  private readonly registered = new Map<string, BreakerPolicy>();

  constructor(private readonly options: BreakersOptions) {}

  /** Declares one of the program's own, which no reload takes away. */
  register(policy: BreakerPolicy): void {
    this.registered.set(policy.name, policy);
    this.renew();
  }

  /** Whether it is one that was registered. */
  isOwn(name: string): boolean {
    return this.registered.has(name);
  }

  /** Takes over what is declared by now. One whose declaration has not changed keeps its state. */
  renew(): void {
    const next = new Map<string, Breaker>();
    for (const policy of [...this.registered.values(), ...this.options.declared()])
      if (!next.has(policy.name)) next.set(policy.name, this.kept(policy) ?? this.make(policy));
    this.byName = next;
  }

  /**
   * The breaker of that name that is in force. Who still runs what a reload has taken away gets one for itself alone.
   */
  of(policy: BreakerPolicy): Breaker {
    const known = this.kept(policy);
    if (known) return known;
    this.renew();
    return this.byName.get(policy.name) ?? this.make(policy);
  }

  /** Undefined for a name that nothing declares. */
  find(name: string): Breaker | undefined {
    return this.all().find(({ policy }) => policy.name === name);
  }

  /** By name. */
  all(): readonly Breaker[] {
    this.renew();
    return [...this.byName.values()].sort((one, other) => (one.policy.name < other.policy.name ? -1 : 1));
  }

  private kept(policy: BreakerPolicy): Breaker | undefined {
    const known = this.byName.get(policy.name);
    return known && isSame(known.policy, policy) ? known : undefined;
  }

  private make(policy: BreakerPolicy): Breaker {
    return new Breaker(policy, this.options.clock, this.options.onTransition);
  }
}

function isSame(one: BreakerPolicy, other: BreakerPolicy): boolean {
  if (one === other) return true;
  const { on, ...fields } = one;
  const names = Object.keys(fields) as (keyof typeof fields)[];
  return names.every((name) => one[name] === other[name]) && on.join() === other.on.join();
}
