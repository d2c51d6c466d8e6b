import { availableParallelism } from 'node:os';
import { GatewayError } from '../domain/errors.js';
import { Launcher, type LaunchedProcess, type LaunchHandlers, type LaunchRequest } from '../domain/launcher.js';
import type { ContainmentReport, Sandbox } from '../domain/sandbox.js';
import { Containment, type ContainmentOptions, type LaunchRefusal } from './containment.js';
import { ExecutorHost } from './executor-host.js';
import { WITHOUT_FFI, type PlannedLaunch } from './host-protocol.js';
import { endAll, Orphans } from './orphans.js';
import { tryContainment } from './self-test.js';
import { WarmSandboxes } from './warm-sandboxes.js';

/** A host takes so many runs before the next one is given any: one that starts them all does so in the order in which they came (ADR 0014). */
const RUNS_TOGETHER = 64;
/** A host that lived this long was well: its replacement starts at once. */
const WELL_AFTER_MS = 5_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;

export interface ProcessLauncherOptions {
  /** Host processes; two, or one on a single core, when absent. */
  readonly hosts?: number;
  /** Whether to call posix_spawn through an FFI where that is possible; it is when absent. */
  readonly ffi?: boolean;
  /**
   * Whether nobody else starts processes here. Then this process is hidden from its programs, and takes and ends what a host leaves
   * behind that was killed itself.
   */
  readonly ownsProcess?: boolean;
  /** How programs are contained; not at all when absent. */
  readonly containment?: ContainmentOptions;
  /** No sandbox can be kept for a program that is run often: each of its runs builds its own, which takes longer. */
  readonly onSandboxNotKept?: (file: string) => void;
  /** A host went away unasked and is being replaced; `runs` ended as lost with it. */
  readonly onHostLost?: (host: { readonly pid: number | undefined; readonly runs: number }) => void;
}

/** Starts programs through executor hosts, because a large process that spawns by itself blocks its own event loop. */
export class ProcessLauncher extends Launcher {
  private readonly hosts = new Set<ExecutorHost>();
  private readonly reopening = new Set<NodeJS.Timeout>();
  private contained: Containment | undefined;
  /** Where no FFI can hide a host from the programs beside it, none shares a sandbox with them. */
  private warm: WarmSandboxes | undefined;
  private orphans: Orphans | null = null;
  private launches = 0;
  private stopped = false;

  constructor(private readonly options: ProcessLauncherOptions = {}) {
    super();
  }

  /** @throws Error before the start */
  override get containment(): ContainmentReport {
    if (!this.contained) throw new Error('The launcher has not started.');
    return this.contained.report;
  }

  /** Pids of the hosts that live, for diagnosis. */
  get hostPids(): readonly number[] {
    return [...[...this.hosts].flatMap(({ pid }) => pid ?? []), ...(this.warm?.pids ?? [])];
  }

  /** How many hosts live, and how many sandboxes are kept beside them. */
  get counts(): { readonly hosts: number; readonly sandboxes: number } {
    return { hosts: [...this.hosts].filter(({ alive }) => alive).length, sandboxes: this.warm?.pids.length ?? 0 };
  }

  /**
   * Resolves when every host can take work, and containment was tried. A launcher starts once.
   * @throws GatewayError `executor_unavailable` when a host does not come up, a sandbox does not hold, or one is required that cannot
   * be had; no host is left alive then
   */
  async start(): Promise<void> {
    if (this.options.ownsProcess) this.orphans = await takeProcess();
    const count = this.options.hosts ?? Math.min(2, availableParallelism());
    try {
      const ready = await Promise.all(Array.from({ length: count }, () => this.open(0).ready));
      if (this.stopped || !ready.every(Boolean)) throw new Error('An executor host ended before it was ready.');
      await this.contain();
    } catch (cause) {
      await this.stop();
      throw cause instanceof GatewayError
        ? cause
        : new GatewayError('executor_unavailable', 'The executor could not be started.', { cause });
    }
  }

  /**
   * Hands the program to the first host that has room and is not held up, or else to that with the fewest runs.
   * @throws GatewayError `executor_unavailable` when no host lives: a new one is being started, or the launcher was stopped
   */
  override launch(request: LaunchRequest, handlers: LaunchHandlers): LaunchedProcess {
    const { contained, warm } = this;
    if (!contained || this.stopped) throw unavailable();
    const inItsOwn = () => {
      const wrapped = contained.wrap(request);
      return 'refusal' in wrapped ? refuse(wrapped, handlers) : this.startOnHost(wrapped, handlers);
    };
    return warm && request.sandbox.profile !== 'host' ? warm.launch(request, handlers, inItsOwn) : inItsOwn();
  }

  /** Sandboxes that stay are let go, but those of commands that are as they were and would get the same again. Runs under way go on. */
  renewSandboxes(current: ReadonlySet<Sandbox>): void {
    this.warm?.retire(current);
  }

  /** Ends all hosts and what they run; those runs end as `lost`. Afterwards none of them is alive. May be called twice. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.reopening.forEach(clearTimeout);
    this.reopening.clear();
    await Promise.all([...[...this.hosts].map((host) => host.close()), this.warm?.stop()]);
    this.contained?.close();
  }

  private startOnHost(launch: PlannedLaunch, handlers: LaunchHandlers): LaunchedProcess {
    const host = this.hostWithRoom();
    if (!host) throw unavailable();
    const id = ++this.launches;
    host.start(id, launch, handlers);
    return { kill: (signal) => host.kill(id, signal) };
  }

  private async contain(): Promise<void> {
    const [host] = this.hosts;
    if (!host?.means) throw new Error('An executor host did not say what it works with.');
    const containment = new Containment(this.options.containment ?? NOT_CONTAINED, host.means);
    this.contained = containment;
    await tryContainment(containment, (launch, handlers) => this.startOnHost(launch, handlers));
    if (host.means.mechanism === 'posix_spawn') this.warm = new WarmSandboxes(containment, this.options.onSandboxNotKept);
    const gap = Object.entries(containment.report.profiles).find(([, { contained }]) => !contained);
    if (containment.options.mode !== 'require' || !gap) return;
    const [profile, { reason }] = gap;
    throw new GatewayError('executor_unavailable', `SANDBOX is require, but the profile ${profile} cannot be had on this host: ${reason}`);
  }

  private hostWithRoom(): ExecutorHost | undefined {
    let leastLoaded: ExecutorHost | undefined;
    if (this.stopped) return leastLoaded;
    for (const host of this.hosts) {
      if (!host.alive) continue;
      if (host.load < RUNS_TOGETHER && !host.isBehind) return host;
      if (!leastLoaded || host.load < leastLoaded.load) leastLoaded = host;
    }
    return leastLoaded;
  }

  /** `failures`: how many hosts in this place died young before this one. */
  private open(failures: number): ExecutorHost {
    const host = ExecutorHost.open(this.options.ffi === false ? [WITHOUT_FFI] : []);
    this.hosts.add(host);
    void this.replaceWhenGone(host, failures);
    return host;
  }

  private async replaceWhenGone(host: ExecutorHost, failures: number): Promise<void> {
    const openedAt = performance.now();
    const runs = await host.gone;
    this.hosts.delete(host);
    void this.endOrphans();
    if (this.stopped) return;
    this.options.onHostLost?.({ pid: host.pid, runs });
    this.reopen(performance.now() - openedAt >= WELL_AFTER_MS ? 0 : failures + 1);
  }

  /** Of a host that was killed before it could end them. */
  private async endOrphans(): Promise<void> {
    const { orphans } = this;
    if (orphans) await endAll(() => orphans.end({ isProgram: (pid) => this.hostPids.includes(pid), isMark: () => false }));
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

/** Null where the kernel cannot be asked. */
async function takeProcess(): Promise<Orphans | null> {
  try {
    const { OwnProcess } = await import('./own-process.js');
    const self = new OwnProcess();
    self.hide();
    return self.adoptOrphans() ? new Orphans(self) : null;
  } catch {
    // The report says so: a host cannot be asked either.
    return null;
  }
}

const NOT_CONTAINED: ContainmentOptions = { mode: 'off', folder: '/', hidden: [], places: () => [] };

function refuse({ refusal }: LaunchRefusal, handlers: LaunchHandlers): LaunchedProcess {
  setImmediate(() => handlers.onEnd({ kind: 'failed_to_start', reason: refusal }));
  return { kill: () => undefined };
}

function unavailable(): GatewayError {
  return new GatewayError('executor_unavailable', 'The executor is not running.', { retryAfterSeconds: 1 });
}
