import { type Measurement, Probe } from '../domain/ports.js';
import type { AgentPlaces } from './agent-places.js';

/** How many agents there are, and how many there may be. */
export class AgentProbe extends Probe {
  override readonly name = 'agents';
  override readonly critical = false;

  constructor(private readonly places: AgentPlaces) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    const { active, total } = this.places;
    const full = active >= total ? { warning: 'There are as many agents as MAX_AGENTS allows: no other can be started.' } : {};
    return [
      { name: 'active', value: active, unit: 'agents', ...full },
      { name: 'places', value: total, unit: 'agents' },
    ];
  }
}
