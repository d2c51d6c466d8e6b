import type { Page } from '../domain/audit.js';
import { GatewayError } from '../domain/errors.js';
import type { Principal } from '../domain/principal.js';
import type { OutputChunk, Run, RunEvent, RunId } from '../domain/run.js';
import type { RunQuery, RunStore } from '../domain/stores.js';
import { maySeeRun } from '../auth/permissions.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { LiveRun } from './live-run.js';
import { envelope, type RunEnvelope } from './run-envelope.js';
import type { RunService } from './run.service.js';

/** Runs as their owners (and admins) may see them: those under way from memory, ended ones from the store. */
export class RunHistory {
  constructor(
    private readonly runs: RunService,
    private readonly store: RunStore,
    private readonly catalogue: Catalogue,
  ) {}

  /** @throws GatewayError `run_unknown` when there is none, or it belongs to somebody else: the two look alike */
  async find(principal: Principal, id: RunId): Promise<Run> {
    const run = this.runs.find(id)?.run ?? (await this.store.find(id));
    if (!run || !maySeeRun(principal, run)) throw new GatewayError('run_unknown', 'There is no run of this id.');
    return run;
  }

  /** The run under way, for those who may end it; undefined once it has ended. */
  async findLive(principal: Principal, id: RunId): Promise<LiveRun | undefined> {
    await this.find(principal, id);
    return this.runs.find(id);
  }

  async envelope(principal: Principal, id: RunId): Promise<RunEnvelope> {
    const run = await this.find(principal, id);
    return this.present(run, await this.outputOf(run));
  }

  present(run: Run, output: readonly OutputChunk[]): RunEnvelope {
    return envelope(run, output, this.catalogue.get(run.command)?.parse ?? 'text');
  }

  async output(principal: Principal, id: RunId): Promise<readonly OutputChunk[]> {
    return this.outputOf(await this.find(principal, id));
  }

  /** Newest first; of those under way a page may have fewer than asked for. Callers that are no admins see their own runs only. */
  async page(principal: Principal, asked: Omit<RunQuery, 'principalId'>): Promise<Page<Run>> {
    const query = principal.role === 'admin' ? asked : { ...asked, principalId: principal.id };
    const { status } = query;
    if (status !== 'queued' && status !== 'running') return this.shown(await this.store.page(query));
    // Until its end a run is stored as it was when it was accepted: whether it has begun, memory alone knows.
    let cursor = query.cursor;
    for (;;) {
      const { items, nextCursor } = this.shown(await this.store.page({ ...query, status: 'queued', cursor }));
      const fitting = items.filter((run) => run.status === status);
      if (fitting.length > 0 || nextCursor === null) return { items: fitting, nextCursor };
      cursor = nextCursor;
    }
  }

  /** What is under way as it is now. */
  private shown(page: Page<Run>): Page<Run> {
    return { ...page, items: page.items.map((run) => this.runs.find(run.id)?.run ?? run) };
  }

  /** The run's events from the output after `afterSeq` on: live while it is under way, else replayed. */
  async events(principal: Principal, id: RunId, afterSeq: number): Promise<AsyncGenerator<RunEvent, void, undefined>> {
    const live = await this.findLive(principal, id);
    return live ? live.events(afterSeq) : this.replay(await this.find(principal, id), afterSeq);
  }

  private async *replay(run: Run, afterSeq: number): AsyncGenerator<RunEvent, void, undefined> {
    if (run.startedAt !== null) yield { kind: 'started', run };
    for (const chunk of await this.store.output(run.id)) if (chunk.seq > afterSeq) yield { kind: 'output', chunk };
    yield { kind: 'finished', run };
  }

  private async outputOf(run: Run): Promise<readonly OutputChunk[]> {
    return this.runs.find(run.id)?.output ?? this.store.output(run.id);
  }
}
