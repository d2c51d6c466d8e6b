import { describe, expect, it, jest } from '@jest/globals';
import { eventually } from '../../test/kit/eventually.js';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { GatewayError } from '../domain/errors.js';
import { type Measurement, Probe } from '../domain/ports.js';
import { Examination } from './examination.js';
import { ReadinessService } from './readiness.js';

type Check = (signal: AbortSignal) => Promise<readonly Measurement[] | void>;

class TestProbe extends Probe {
  override readonly deadlineMs = 40;
  readonly check: jest.Mock<Check>;

  constructor(
    check: Check,
    readonly name = 'test',
  ) {
    super();
    this.check = jest.fn(check);
  }
}

const never = () => new Promise<void>(() => undefined);
const LATE = { status: 'failing', reason: 'It did not answer in time.' };

describe('an examination', () => {
  it('checks once for all who ask, and not again for a moment', async () => {
    const clock = new ManualClock();
    const probe = new TestProbe(async () => [{ name: 'length', value: 3 }]);
    const examination = new Examination(probe, clock);
    const findings = await Promise.all(Array.from({ length: 1_000 }, () => examination.find()));
    expect(new Set(findings).size).toBe(1);
    expect(findings[0]).toMatchObject({ verdict: { status: 'ok' }, measured: [{ name: 'length', value: 3 }] });
    await examination.find();
    expect(probe.check).toHaveBeenCalledTimes(1);
    clock.advance(101);
    await examination.find();
    expect(probe.check).toHaveBeenCalledTimes(2);
  });

  it('ends at the deadline of a check that hangs, tells it to stop, and asks no second time while it hangs', async () => {
    const clock = new ManualClock();
    const gate = Promise.withResolvers<void>();
    const signals: AbortSignal[] = [];
    const probe = new TestProbe((signal) => (signals.push(signal), gate.promise));
    const examination = new Examination(probe, clock);
    expect((await examination.find()).verdict).toEqual(LATE);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    clock.advance(1_000);
    expect(await examination.find()).toMatchObject({ verdict: LATE, durationMs: 1_000 });
    expect(probe.check).toHaveBeenCalledTimes(1);
    gate.resolve();
    await eventually(async () => {
      clock.advance(200);
      return (await examination.find()).verdict.status === 'ok';
    });
    expect(probe.check).toHaveBeenCalledTimes(2);
  });

  it('tries another check when one has not come back for half a minute', async () => {
    const clock = new ManualClock();
    const answers: Check[] = [never, async () => undefined];
    const probe = new TestProbe((signal) => (answers.shift() ?? never)(signal));
    const examination = new Examination(probe, clock);
    await examination.find();
    clock.advance(30_001);
    expect((await examination.find()).verdict).toEqual({ status: 'ok' });
  });

  it('tells reasons that were meant for callers, and no others', async () => {
    const verdictOf = async (check: Check) => (await new Examination(new TestProbe(check), new ManualClock()).find()).verdict;
    expect(await verdictOf(() => Promise.reject(new GatewayError('internal', 'The disk is gone.', { untilRestart: true })))).toEqual({
      status: 'failing',
      reason: 'The disk is gone.',
      restartRequired: true,
    });
    const secretive = { status: 'failing', reason: 'It failed unexpectedly.' };
    expect(await verdictOf(() => Promise.reject(new Error('EACCES /etc/secret')))).toEqual(secretive);
    expect(
      await verdictOf(() => {
        throw new Error('at once');
      }),
    ).toEqual(secretive);
    expect(await verdictOf(async () => [{ name: 'state', value: 'open', warning: 'It is open.' }])).toEqual({
      status: 'warning',
      reason: 'It is open.',
    });
  });
});

describe('readiness', () => {
  it('waits for the slowest probe, not for all of them, and names what hangs', async () => {
    const hanging = Array.from({ length: 8 }, (_none, index) => new TestProbe(never, `hangs-${index}`));
    const readiness = new ReadinessService([new TestProbe(async () => undefined, 'well'), ...hanging], new ManualClock());
    const start = performance.now();
    expect(await readiness.check()).toEqual({ status: 'unready', failing: hanging.map(({ name }) => name) });
    expect(performance.now() - start).toBeLessThan(8 * 40);
  });

  it('does not depend on what is not critical', async () => {
    const minor = Object.assign(new TestProbe(() => Promise.reject(new GatewayError('internal', 'No.'))), { critical: false });
    const readiness = new ReadinessService([minor], new ManualClock());
    expect(await readiness.check()).toEqual({ status: 'ready' });
    expect(await readiness.ask()).toEqual({});
    expect((await readiness.examineAll()).map(({ finding }) => finding.verdict.status)).toEqual(['failing']);
  });
});
