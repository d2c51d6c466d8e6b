import { FAILURE_KINDS } from '../domain/failure.js';
import type { BreakerPolicy } from '../domain/resilience.js';
import type { CatalogueFinding, Finding } from './catalogue-mistakes.js';
import type { BreakerDeclaration, CommandDeclaration } from './catalogue-schema.js';

interface Declared {
  readonly name: string;
  readonly declaration: CommandDeclaration;
  place(finding: Finding): CatalogueFinding;
}

type Described = Exclude<BreakerDeclaration, string>;

/** What a breaker is like that no command describes. */
const DEFAULTS = { failures: 5, recoveryMs: 30_000, probes: 1, concurrent: null, on: FAILURE_KINDS } as const;

/**
 * The breakers of a catalogue, by name: one command describes it, others name it; one that nobody describes has the defaults. Two
 * descriptions of one breaker are a mistake, even if they say the same.
 */
export function resolveBreakers(declared: readonly Declared[]): {
  readonly breakers: ReadonlyMap<string, BreakerPolicy>;
  readonly mistakes: readonly CatalogueFinding[];
} {
  const breakers = new Map<string, BreakerPolicy>();
  const described = new Map<string, string>();
  const mistakes: CatalogueFinding[] = [];
  for (const { name, declaration, place } of declared) {
    const { breaker } = declaration;
    const shared = breakerNameOf(name, declaration);
    if (breaker === undefined || shared === undefined) continue;
    if (typeof breaker === 'string') {
      if (!breakers.has(shared)) breakers.set(shared, { name: shared, ...DEFAULTS });
      continue;
    }
    const owner = described.get(shared);
    if (owner !== undefined)
      mistakes.push(place({ path: ['breaker'], message: `${owner} says already what the breaker ${shared} is like` }));
    described.set(shared, owner ?? name);
    breakers.set(shared, policyOf(shared, breaker));
  }
  return { breakers, mistakes };
}

/** Undefined for a command without one. */
export function breakerNameOf(command: string, { breaker }: Pick<CommandDeclaration, 'breaker'>): string | undefined {
  return typeof breaker === 'object' ? (breaker.name ?? command) : breaker;
}

function policyOf(name: string, { failures, recovery, probes, concurrent, on }: Described): BreakerPolicy {
  return { name, failures, recoveryMs: recovery, probes, concurrent: concurrent ?? null, on };
}
