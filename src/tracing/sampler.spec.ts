import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { TraceOrigin } from '../domain/tracing.js';
import { SAMPLERS, samplerOf } from './sampler.js';

const own = (traceId = randomBytes(16).toString('hex')): TraceOrigin => ({ traceId, caller: undefined });
const called = (sampled: boolean): TraceOrigin => ({ ...own(), caller: { spanId: 'b7ad6b7169203331', sampled, state: undefined } });

describe('a sampler', () => {
  it('follows its caller where it is told to, and only there', () => {
    const decisions = SAMPLERS.map((name) => [
      name,
      ...[own(), called(true), called(false)].map(samplerOf(name, name.endsWith('ratio') ? 0 : 1)),
    ]);
    expect(decisions).toEqual([
      ['always_on', true, true, true],
      ['always_off', false, false, false],
      ['traceidratio', false, false, false],
      ['parentbased_always_on', true, true, false],
      ['parentbased_always_off', false, true, false],
      ['parentbased_traceidratio', false, true, false],
    ]);
  });

  it('takes the part that it is told to, of each trace the same', () => {
    const traces = Array.from({ length: 4_000 }, () => own());
    const count = (ratio: number) => traces.filter(samplerOf('traceidratio', ratio)).length;
    expect([count(0), count(1)]).toEqual([0, 4_000]);
    expect(Math.abs(count(0.25) - 1_000)).toBeLessThan(200);
    const [less, more] = [samplerOf('traceidratio', 0.1), samplerOf('traceidratio', 0.3)];
    for (const trace of traces) if (less(trace)) expect(more(trace)).toBe(true);
  });
});
