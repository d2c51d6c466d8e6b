import { type Measurement, Probe } from '../domain/ports.js';
import type { Admission } from './admission.js';

const FILLING_PERCENT = 80;
const LONG_WAIT_MS = 30_000;

/** Whether whoever asks for a run gets a slot soon. */
export class QueueProbe extends Probe {
  readonly name = 'queue';
  override readonly critical = false;

  constructor(private readonly admission: Admission) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    const { active, queued, limits, longestWaitMs } = this.admission;
    const filling = queued * 100 > limits.queue * FILLING_PERCENT ? { warning: 'The queue for runs is nearly full.' } : {};
    const waiting = longestWaitMs > LONG_WAIT_MS ? { warning: 'A run has been waiting for a slot for more than 30 seconds.' } : {};
    return [
      { name: 'running', value: active, unit: 'runs' },
      { name: 'slots', value: limits.total, unit: 'runs' },
      { name: 'length', value: queued, unit: 'runs', ...filling },
      { name: 'places', value: limits.queue, unit: 'runs' },
      { name: 'longestWait', value: Math.round(longestWaitMs), unit: 'ms', ...waiting },
    ];
  }
}
