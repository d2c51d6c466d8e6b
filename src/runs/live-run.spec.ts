import { describe, expect, it } from '@jest/globals';
import { finished, sampleRun } from '../../test/kit/storage.js';
import { GatewayError } from '../domain/errors.js';
import type { RunEvent } from '../domain/run.js';
import { LiveRun } from './live-run.js';

async function all(events: AsyncGenerator<RunEvent>): Promise<string[]> {
  const told: string[] = [];
  for await (const event of events) told.push(event.kind === 'output' ? event.chunk.data : event.kind);
  return told;
}

const AT = '2026-01-02T03:04:06.000Z';

describe('a run under way', () => {
  it('tells every reader everything, whenever it comes', async () => {
    const live = new LiveRun(sampleRun());
    const early = all(live.events());
    live.begin(AT);
    live.append('stdout', 'a');
    const late = all(live.events());
    const resumed = all(live.events(1));
    live.append('stderr', 'b');
    live.finish(finished(live.run));
    expect(await Promise.all([early, late, resumed, all(live.events())])).toEqual([
      ['started', 'a', 'b', 'finished'],
      ['started', 'a', 'b', 'finished'],
      ['started', 'b', 'finished'],
      ['started', 'a', 'b', 'finished'],
    ]);
  });

  it('tells no start of a run that never began', async () => {
    const live = new LiveRun(sampleRun());
    live.finish(finished(live.run, { status: 'cancelled', outcome: { kind: 'cancelled', by: 'shutdown' }, startedAt: null }));
    expect(await all(live.events())).toEqual(['finished']);
  });

  it('keeps the first cause of its end', () => {
    const live = new LiveRun(sampleRun());
    live.abort({ kind: 'timed_out', afterMs: 5 });
    live.abort({ kind: 'cancelled', by: 'client_gone' });
    expect(live.cause).toEqual({ kind: 'timed_out', afterMs: 5 });
  });

  it('has no cause when it is aborted after its end', () => {
    const live = new LiveRun(sampleRun());
    live.finish(finished(live.run));
    live.abort({ kind: 'cancelled', by: 'client_gone' });
    expect(live.cause).toBeUndefined();
  });

  it('tells whoever waits that its outcome could not be recorded', async () => {
    const live = new LiveRun(sampleRun());
    live.begin(AT);
    const listening = all(live.events());
    const failure = new GatewayError('storage_unavailable', 'The store cannot be written.');
    live.fail(failure);
    await expect(listening).rejects.toBe(failure);
    await expect(live.finished).rejects.toBe(failure);
  });
});
