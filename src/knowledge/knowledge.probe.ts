import { type Measurement, Probe } from '../domain/ports.js';
import type { KnowledgeBases } from './knowledge-bases.js';

/** Bases of documents that were asked since the start: whether they find by meaning as they are set up to. Asks nobody. */
export class KnowledgeProbe extends Probe {
  override readonly name = 'knowledge';
  override readonly critical = false;

  constructor(private readonly bases: KnowledgeBases) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    return this.bases.states.map(({ of, trouble }) => ({
      name: 'vectors',
      of,
      value: trouble === null ? 'ok' : 'behind',
      ...(trouble === null ? {} : { warning: `The vectors of ${of} are behind: what is new is found by its words alone. ${trouble}` }),
    }));
  }
}
