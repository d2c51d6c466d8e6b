import { availableParallelism } from 'node:os';
import { GatewayError } from '../domain/errors.js';
import { ExecutorHost, type LaunchHandlers } from './executor-host.js';
import type { KillSignal, LaunchRequest, SpawnMechanism } from './launcher-protocol.js';

/** A host that lived this long was well: its replacement starts at once. */
const WELL_AFTER_MS = 5_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;

export interface ProcessLauncherOptions {
  /** Host processes; two, or one on a single core, when absent. */
  readonly hosts?: number;
  /** Whether to call posix_spawn through an FFI where that is possible; it is when absent. */
  readonly ffi?: boolean;
  /** How the hosts start programs. Called once, when they have come up. */
  readonly onStart?: (mechanism: SpawnMechanism) => void;
  /** A host went away unasked and is being replaced; `runs` ended as lost with it. */
  readonly onHostLost?: (host: { readonly pid: number | undefined; readonly runs: number }) => void;
}

export interface LaunchedProcess {
  /** Signals the whole group; does nothing when the run has ended. */
  kill(signal: KillSignal): void;
}

/** Starts programs through executor hosts, because a large process that spawns by itself blocks its own event loop. */
export class ProcessLauncher {
  private readonly hosts = new Set<ExecutorHost>();
  private readonly reopening = new Set<NodeJS.Timeout>();
  private launches = 0;
  private stopped = false;

  constructor(private readonly options: ProcessLauncherOptions = {}) {}

  /** Pids of the hosts that live, for diagnosis. */
  get hostPids(): readonly number[] {
    return [...this.hosts].flatMap(({ pid }) => pid ?? []);
  }

  /**
   * Resolves when every host can take work. A launcher starts once.
   * @throws GatewayError `executor_unavailable` when one of them does not come up; none is left alive then
   */
  async start(): Promise<void> {
    const count = this.options.hosts ?? Math.min(2, availableParallelism());
    try {
      const ready = await Promise.all(Array.from({ length: count }, () => this.open(0).ready));
      if (!this.stopped && ready.every(Boolean)) return this.tellMechanism();
      throw new Error('An executor host ended before it was ready.');
    } catch (cause) {
      await this.stop();
      throw new GatewayError('executor_unavailable', 'The executor could not be started.', { cause });
    }
  }

  /**
   * Hands the program to the host with the fewest runs.
   * @throws GatewayError `executor_unavailable` when no host lives: a new one is being started, or the launcher was stopped
   */
  launch(request: LaunchRequest, handlers: LaunchHandlers): LaunchedProcess {
    const host = this.leastLoaded();
    if (!host) throw new GatewayError('executor_unavailable', 'The executor is not running.', { retryAfterSeconds: 1 });
    const id = ++this.launches;
    host.start(id, request, handlers);
    return { kill: (signal) => host.kill(id, signal) };
  }

  /** Ends all hosts and what they run; those runs end as `lost`. Afterwards none of them is alive. May be called twice. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.reopening.forEach(clearTimeout);
    this.reopening.clear();
    await Promise.all([...this.hosts].map((host) => host.close()));
  }

  private tellMechanism(): void {
    const [host] = this.hosts;
    if (host?.mechanism) this.options.onStart?.(host.mechanism);
  }

  private leastLoaded(): ExecutorHost | undefined {
    let chosen: ExecutorHost | undefined;
    if (this.stopped) return chosen;
    for (const host of this.hosts) if (host.alive && (!chosen || host.load < chosen.load)) chosen = host;
    return chosen;
  }

  /** `failures`: how many hosts in this place died young before this one. */
  private open(failures: number): ExecutorHost {
    const host = ExecutorHost.open({ ffi: this.options.ffi });
    this.hosts.add(host);
    void this.replaceWhenGone(host, failures);
    return host;
  }

  private async replaceWhenGone(host: ExecutorHost, failures: number): Promise<void> {
    const openedAt = performance.now();
    const runs = await host.gone;
    this.hosts.delete(host);
    if (this.stopped) return;
    this.options.onHostLost?.({ pid: host.pid, runs });
    this.reopen(performance.now() - openedAt >= WELL_AFTER_MS ? 0 : failures + 1);
  }

  private reopen(failures: number): void {
    const delay = failures === 0 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
    const timer = setTimeout(() => {
      this.reopening.delete(timer);
      try {
        this.open(failures);
      } catch {
        // The system is short of something; that passes, or the callers' `executor_unavailable` tells of it.
        this.reopen(failures + 1);
      }
    }, delay);
    this.reopening.add(timer);
  }
}
