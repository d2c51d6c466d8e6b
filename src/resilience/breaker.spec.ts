import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { breakerPolicy } from '../../test/kit/guards.js';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { GatewayError } from '../domain/errors.js';
import type { FailureCause } from '../domain/failure.js';
import type { BreakerPolicy } from '../domain/resilience.js';
import { Breaker, type Ended, type Entry } from './breaker.js';

const failed: FailureCause = { kind: 'exit_code', code: 1 };

function breakerOf(differences: Partial<BreakerPolicy> = {}) {
  const clock = new ManualClock();
  const transitions: string[] = [];
  const breaker = new Breaker({ ...breakerPolicy, ...differences }, clock, ({ from, to }) => void transitions.push(`${from} ${to}`));
  const attempt = (ended: Ended) => breaker.leave(breaker.enter(), ended);
  const fail = (times: number) => {
    for (let count = 0; count < times; count++) attempt(failed);
  };
  return { clock, transitions, breaker, attempt, fail };
}

/** Those of so many callers at one time who get through. */
function callers(breaker: Breaker, count: number): Entry[] {
  return Array.from({ length: count }).flatMap(() => {
    try {
      return [breaker.enter()];
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'breaker_open') return [];
      throw error;
    }
  });
}

describe('a circuit breaker', () => {
  it('opens after exactly its threshold of failures in a row [H13]', () => {
    const { breaker, attempt, fail, transitions } = breakerOf();
    fail(4);
    attempt(null);
    fail(4);
    expect([breaker.look(), transitions]).toEqual([{ kind: 'closed', failures: 4 }, []]);
    fail(1);
    expect([breaker.look().kind, transitions, breaker.counts.opened]).toEqual(['open', ['closed open'], 1]);
  });

  it('refuses for exactly its recovery time, and says how long that still is [H13]', () => {
    const { breaker, clock, fail } = breakerOf();
    fail(5);
    expect(breaker.refusal()).toMatchObject({ code: 'breaker_open', extra: { retryAfterSeconds: 30 } });
    clock.advance(29_000);
    expect(breaker.refusal()).toMatchObject({ extra: { retryAfterSeconds: 1 } });
    clock.advance(999);
    expect(callers(breaker, 100)).toHaveLength(0);
    clock.advance(1);
    expect([breaker.look().kind, breaker.refusal()]).toEqual(['half_open', undefined]);
    expect(breaker.counts.refused).toBe(100);
  });

  it.each([1, 3])('lets exactly %i of 100 callers probe, and closes when all of them succeed [H13]', (probes) => {
    const { breaker, clock, fail, transitions } = breakerOf({ probes });
    fail(5);
    clock.advance(30_000);
    const entries = callers(breaker, 100);
    expect(entries).toHaveLength(probes);
    for (const [index, entry] of entries.entries()) {
      expect(breaker.look().kind).toBe('half_open');
      expect(callers(breaker, 10)).toHaveLength(0);
      breaker.leave(entry, null);
      expect(breaker.look().kind).toBe(index + 1 < probes ? 'half_open' : 'closed');
    }
    expect([callers(breaker, 100).length, transitions]).toEqual([100, ['closed open', 'open half_open', 'half_open closed']]);
  });

  it('opens again, for as long, when a probe fails; what the other probes bring counts no more', () => {
    const { breaker, clock, fail } = breakerOf({ probes: 3 });
    fail(5);
    clock.advance(30_000);
    const [first, second, third] = callers(breaker, 100) as [Entry, Entry, Entry];
    breaker.leave(first, null);
    breaker.leave(second, failed);
    clock.advance(29_999);
    breaker.leave(third, null);
    expect([breaker.look().kind, breaker.counts.opened]).toEqual(['open', 2]);
    clock.advance(1);
    expect(breaker.look().kind).toBe('half_open');
  });

  it('gives the place of a probe that was ended from outside to another', () => {
    const { breaker, clock, fail } = breakerOf();
    fail(5);
    clock.advance(30_000);
    const [probe] = callers(breaker, 100) as [Entry];
    breaker.leave(probe, 'unclear');
    expect([breaker.look().kind, callers(breaker, 100).length]).toEqual(['half_open', 1]);
  });

  it('is not moved by what began before it opened', () => {
    const { breaker, clock } = breakerOf();
    const entries = callers(breaker, 100);
    for (const entry of entries.slice(0, 5)) breaker.leave(entry, failed);
    clock.advance(30_000);
    const [probe] = callers(breaker, 1) as [Entry];
    for (const entry of entries.slice(5, 50)) breaker.leave(entry, failed);
    expect(breaker.look().kind).toBe('half_open');
    for (const entry of entries.slice(50)) breaker.leave(entry, null);
    expect(breaker.look().kind).toBe('half_open');
    breaker.leave(probe, null);
    expect([breaker.look(), breaker.inFlight]).toEqual([{ kind: 'closed', failures: 0 }, 0]);
  });

  it('is closed by hand; what was under way counts no more', () => {
    const { breaker, fail, transitions, clock } = breakerOf();
    fail(5);
    breaker.reset();
    expect([breaker.look(), transitions.at(-1)]).toEqual([{ kind: 'closed', failures: 0 }, 'open closed']);
    fail(4);
    const entry = breaker.enter();
    breaker.reset();
    breaker.leave(entry, failed);
    expect([breaker.look(), transitions]).toEqual([{ kind: 'closed', failures: 0 }, ['closed open', 'open closed']]);
    fail(5);
    clock.advance(30_000);
    breaker.look();
    breaker.reset();
    expect([breaker.look().kind, transitions.at(-1)]).toEqual(['closed', 'half_open closed']);
  });

  it('has so many places and no more', () => {
    const { breaker } = breakerOf({ concurrent: 2 });
    const [first] = [breaker.enter(), breaker.enter()];
    expect(() => breaker.enter()).toThrow(expect.objectContaining({ code: 'busy', extra: { retryAfterSeconds: 1 } }));
    breaker.leave(first, failed);
    breaker.enter();
    expect(breaker.refusal()?.code).toBe('busy');
  });

  it('counts the causes that it is told to; an answer of somebody who is well is a success', () => {
    const { breaker, attempt } = breakerOf({ on: ['timeout', 'status'], failures: 2 });
    attempt({ kind: 'timeout' });
    attempt({ kind: 'never_started' });
    expect([breaker.look(), breaker.counts.unclear]).toEqual([{ kind: 'closed', failures: 1 }, 1]);
    attempt({ kind: 'status', status: 404 });
    expect(breaker.look()).toEqual({ kind: 'closed', failures: 0 });
    attempt({ kind: 'status', status: 503 });
    attempt({ kind: 'exit_code', code: 1 });
    attempt({ kind: 'status', status: 429 });
    attempt({ kind: 'status', status: 500 });
    expect([breaker.look().kind, breaker.lastFailure?.cause]).toEqual(['open', { kind: 'status', status: 500 }]);
  });
});

/** What a breaker is, as plainly as it can be said: who got in counts while nothing has changed since. */
class Model {
  state: 'closed' | 'half_open' | 'open' = 'closed';
  version = 0;
  failures = 0;
  probing = 0;
  openedAt = 0;

  constructor(private readonly policy: BreakerPolicy) {}

  mayEnter(now: number): boolean {
    if (this.state === 'open' && now - this.openedAt >= this.policy.recoveryMs) this.become('half_open');
    return this.state === 'closed' || (this.state === 'half_open' && this.probing < this.policy.probes);
  }

  enter(): number {
    if (this.state === 'half_open') this.probing++;
    return this.version;
  }

  leave(version: number, ended: 'good' | 'bad' | 'unclear', now: number): void {
    if (version !== this.version || this.state === 'open') return;
    if (ended === 'bad' && (this.state === 'half_open' || ++this.failures >= this.policy.failures)) {
      this.become('open');
      this.openedAt = now;
    } else if (ended === 'good') {
      if (this.state === 'closed') this.failures = 0;
      else if (++this.good >= this.policy.probes) this.become('closed');
    } else if (ended === 'unclear' && this.state === 'half_open') this.probing--;
  }

  reset(): void {
    this.become('closed');
  }

  private good = 0;

  private become(state: Model['state']): void {
    this.state = state;
    this.version++;
    this.failures = this.probing = this.good = 0;
  }
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ do: 'enter' } as const) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('leave' as const),
      who: fc.nat(20),
      how: fc.constantFrom('good', 'good', 'bad', 'bad', 'unclear', 'unclear'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 99, 100, 100) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reset' } as const) },
);

describe('any order of attempts, ends, waits and resets', () => {
  it('leads a breaker where it leads the model', () => {
    const policies = fc.record({ failures: fc.integer({ min: 1, max: 3 }), probes: fc.integer({ min: 1, max: 3 }) });
    fc.assert(
      fc.property(policies, fc.array(step, { maxLength: 120, size: 'max' }), (differences, steps) => {
        const policy = { ...breakerPolicy, ...differences, recoveryMs: 100 };
        const { breaker, clock } = breakerOf(policy);
        const model = new Model(policy);
        const inside: { readonly entry: Entry; readonly version: number }[] = [];
        for (const next of steps) {
          const now = clock.monotonic();
          if (next.do === 'wait') clock.advance(next.ms);
          else if (next.do === 'reset') {
            model.reset();
            breaker.reset();
          } else if (next.do === 'leave') {
            const [left] = inside.splice(next.who % Math.max(1, inside.length), 1);
            if (!left) continue;
            breaker.leave(left.entry, next.how === 'good' ? null : next.how === 'bad' ? failed : 'unclear');
            model.leave(left.version, next.how, now);
          } else {
            const allowed = model.mayEnter(now);
            expect(breaker.refusal() === undefined).toBe(allowed);
            if (allowed) inside.push({ entry: breaker.enter(), version: model.enter() });
          }
          expect(breaker.refusal() === undefined).toBe(model.mayEnter(clock.monotonic()));
          expect([breaker.look().kind, breaker.inFlight]).toEqual([model.state, inside.length]);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
