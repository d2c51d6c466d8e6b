import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { sampleRun } from '../../test/kit/storage.js';
import type { Command, Preparation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { FAILURE_KINDS } from '../domain/failure.js';
import { type ExecutionContext, type ExecutionEnd, Executor } from '../domain/executor.js';
import { NO_TRACER } from '../domain/tracing.js';
import { Metrics } from '../metrics/metrics.js';
import { Redaction } from '../redaction/redaction.js';
import { Resilience } from '../resilience/resilience.js';
import { LiveRun } from './live-run.js';
import { RunExecution } from './run-execution.js';
import { RunWalk } from './run-walk.js';

/** Ends as it is told, attempt by attempt. */
class Script extends Executor {
  override readonly kind = 'builtin';
  attempts = 0;

  constructor(private readonly act: (attempt: number, context: ExecutionContext) => Promise<ExecutionEnd> | ExecutionEnd) {
    super();
  }

  override async execute(_invocation: unknown, context: ExecutionContext): Promise<ExecutionEnd> {
    return this.act(++this.attempts, context);
  }
}

const retry = { attempts: 3, delayMs: 1, maxDelayMs: 1, budgetMs: null, attemptTimeoutMs: null, on: FAILURE_KINDS };
const breaker = { name: 'shared', failures: 5, recoveryMs: 30_000, probes: 1, concurrent: null, on: FAILURE_KINDS };
const command: Pick<Command, 'name' | 'executor' | 'timeoutMs' | 'retry' | 'breaker' | 'fallback' | 'idempotent' | 'limits'> = {
  name: 'test',
  executor: 'builtin',
  timeoutMs: 60_000,
  retry: null,
  breaker: null,
  fallback: null,
  idempotent: true,
  limits: { concurrent: null, rate: null, outputBytes: 1_000 },
};

function walkOf(differences: Partial<Command> = {}): RunWalk {
  const principal = { id: 'abcdefghijkl', name: 'test', role: 'operator', scopes: ['*'], address: '127.0.0.1' } as const;
  const walk = new RunWalk({ command: 'test' }, { principal, requestId: 'r', traceparent: '' });
  walk.command = { ...command, ...differences } as Command;
  walk.preparation = {
    args: {},
    argsDigest: '',
    argvDigest: '',
    inspected: [],
    secrets: [],
    invocation: { kind: 'builtin', name: 'test', args: {} },
  } satisfies Preparation;
  walk.live = new LiveRun(sampleRun());
  walk.ticket = { immediate: true, granted: Promise.resolve(true), release: () => undefined };
  return walk;
}

function newResilience(): Resilience {
  return new Resilience({ clock: new ManualClock(), declared: () => [breaker], onTransition: () => undefined });
}

function execution(executor: Executor, resilience = newResilience()): RunExecution {
  const writes = { checkWritable: () => Promise.resolve() };
  return new RunExecution([executor], {
    resilience,
    writes,
    metrics: new Metrics(),
    clock: new ManualClock(),
    redaction: new Redaction(),
    tracer: NO_TRACER,
  });
}

/** Ends when it is told to. */
function ended(signal: AbortSignal): Promise<ExecutionEnd> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'exited', code: 143, signal: 'SIGTERM' })));
}

const exited = (code: number): ExecutionEnd => ({ kind: 'exited', code });

describe('carrying a run out', () => {
  it('shows the output of the last attempt only', async () => {
    const walk = walkOf({ retry });
    const script = new Script((attempt, context) => {
      context.onOutput('stdout', Buffer.from(`attempt ${attempt}\n`));
      return exited(attempt === 2 ? 0 : 1);
    });
    await execution(script).carryOut(walk);
    expect([walk.outcome, walk.attempts, walk.live.output]).toEqual([exited(0), 2, [{ stream: 'stdout', seq: 1, data: 'attempt 2\n' }]]);
  });

  it('does not repeat what was ended from outside', async () => {
    const walk = walkOf({ retry });
    const script = new Script(() => {
      walk.live.abort({ kind: 'cancelled', by: 'client_gone' });
      return exited(143);
    });
    await execution(script).carryOut(walk);
    expect([walk.outcome, walk.attempts]).toEqual([{ kind: 'cancelled', by: 'client_gone' }, 1]);
  });

  it('ends an attempt whose own time is over, and tries again', async () => {
    const walk = walkOf({ retry: { ...retry, attempts: 2, attemptTimeoutMs: 10 } });
    const script = new Script((_attempt, { signal }) => ended(signal));
    await execution(script).carryOut(walk);
    expect([walk.outcome, walk.attempts, walk.live.signal.aborted]).toEqual([{ kind: 'timed_out', afterMs: 10 }, 2, false]);
  });

  it('opens a breaker for what hangs, and not for what its caller ended', async () => {
    const script = new Script((_attempt, { signal }) => ended(signal));
    const resilience = newResilience();
    const runs = execution(script, resilience);
    for (let count = 0; count < 6; count++) {
      const walk = walkOf({ breaker });
      const carried = runs.carryOut(walk);
      await Promise.resolve();
      walk.live.abort({ kind: 'cancelled', by: 'client_gone' });
      await carried;
    }
    const [shared] = resilience.breakers.all();
    expect([shared?.look(), shared?.counts.unclear]).toEqual([{ kind: 'closed', failures: 0 }, 6]);
    for (let count = 0; count < 5; count++) await runs.carryOut(walkOf({ breaker, timeoutMs: 1 }));
    expect([shared?.look().kind, shared?.lastFailure?.cause]).toEqual(['open', { kind: 'timeout' }]);
  });

  it('believes an executor that knows more of a failure than its end says', async () => {
    const told = { kind: 'status', status: 404 } as const;
    const walk = walkOf({ retry });
    const script = new Script((_attempt, context) => {
      context.onFailure?.(told);
      return exited(1);
    });
    await execution(script).carryOut(walk);
    expect([walk.outcome, walk.attempts]).toEqual([exited(1), 1]);
  });

  it('starts nothing for a run that was ended while it waited for its slot', async () => {
    const walk = walkOf();
    const script = new Script(() => exited(0));
    walk.live.abort({ kind: 'cancelled', by: 'abcdefghijkl' });
    await execution(script).carryOut(walk);
    expect([walk.outcome, script.attempts, walk.live.run.startedAt]).toEqual([{ kind: 'cancelled', by: 'abcdefghijkl' }, 0, null]);
  });

  it('ends what takes longer than the command may', async () => {
    const walk = walkOf({ timeoutMs: 10 });
    const script = new Script(
      (_attempt, { signal }) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'exited', code: 143, signal: 'SIGTERM' }))),
    );
    await execution(script).carryOut(walk);
    expect(walk.outcome).toEqual({ kind: 'timed_out', afterMs: 10 });
  });

  it('rejects, with the refusal for whoever waits, what an open breaker keeps out', async () => {
    const script = new Script(() => exited(1));
    const runs = execution(script);
    for (let count = 0; count < 5; count++) await runs.carryOut(walkOf({ breaker }));
    const walk = walkOf({ breaker });
    await runs.carryOut(walk);
    expect(walk.outcome).toEqual({ kind: 'rejected', reason: 'breaker_open' });
    expect(walk.refusal).toMatchObject({ code: 'breaker_open', extra: { retryAfterSeconds: 30 } });
    expect(script.attempts).toBe(5);
  });

  it('has the cause for its outcome, whatever the abort made the policies throw', async () => {
    const walk = walkOf({ breaker });
    const resilience = newResilience();
    resilience.run = () => {
      walk.live.abort({ kind: 'cancelled', by: 'shutdown' });
      return Promise.reject(new Error('the task was cancelled'));
    };
    await execution(new Script(() => exited(0)), resilience).carryOut(walk);
    expect(walk.outcome).toEqual({ kind: 'cancelled', by: 'shutdown' });
  });

  it('hides no mistake of ours', async () => {
    const mistake = new TypeError('a mistake');
    const script = new Script(() => Promise.reject(mistake));
    await expect(execution(script).carryOut(walkOf())).rejects.toBe(mistake);
    const refused = walkOf();
    await execution(new Script(() => Promise.reject(new GatewayError('executor_unavailable', 'No host.')))).carryOut(refused);
    expect(refused.outcome).toEqual({ kind: 'rejected', reason: 'executor_unavailable' });
  });
});
