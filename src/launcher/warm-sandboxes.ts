import { ENDED_BEFORE_START } from '../domain/executor.js';
import type { LaunchedProcess, LaunchHandlers, LaunchRequest } from '../domain/launcher.js';
import type { Sandbox } from '../domain/sandbox.js';
import type { Containment } from './containment.js';
import { ControlGroup } from './control-group.js';
import { ExecutorHost } from './executor-host.js';
import { HOST_NEEDS } from './host-needs.js';
import { IN_SANDBOX, type SharedSandbox } from './host-protocol.js';
import { descendantsOf } from './process-tree.js';

/** Sandboxes of one command, and of all commands. Each holds a small Node process. */
const MOST_OF_ONE = 6;
const MOST_OF_ALL = 16;
/** A command that came so often in this time is worth a sandbox that stays. */
const WORTH_IT_RUNS = 3;
const WORTH_IT_MS = 2_000;
/** A run waits for a sandbox that stays only where runs are shorter than that, and no longer than this. */
const SHORT_RUN_MS = 100;
const LONGEST_WAIT_MS = 500;
/** Of the mean length of runs, what the last one counts. */
const LAST_RUN_WEIGHT = 0.2;
const IDLE_MS = 30_000;
/** After that it is built anew: what it shows is what was there when it was built, programs and covers included. */
const OLDEST_MS = 60_000;
/** After so many that did not come up, none is tried any more for that command. */
const MOST_FAILURES = 2;

/** Starts a run in a sandbox of its own. */
export type StartElsewhere = () => LaunchedProcess;

/** A run that waits: for a host, or, with null, no longer. */
type Waiting = (host: ExecutorHost | null) => void;

/** The sandboxes of one command. */
interface Kept {
  readonly plan: SharedSandbox;
  /** What any sandbox might show when this was planned. */
  readonly places: string;
  readonly idle: ExecutorHost[];
  readonly waiting: Waiting[];
  /** Coming up, idle or at work. */
  hosts: number;
  /** When the last runs came, on the monotonic clock. */
  arrivals: number[];
  meanMs: number;
  failures: number;
  isRetired: boolean;
}

/**
 * Sandboxes that stay, for commands that are run often: to build one takes several times the time of a small program. Each belongs to
 * one command and holds one run at a time; between two runs everything in it is ended and removed. A run that finds none free gets a
 * sandbox of its own, unless waiting for a moment is quicker.
 */
export class WarmSandboxes {
  private readonly kept = new Map<Sandbox, Kept>();
  /** With the time they were opened, on the monotonic clock. */
  private readonly hosts = new Map<ExecutorHost, number>();
  private readonly refused = new WeakSet<Sandbox>();
  private readonly tidying: NodeJS.Timeout;
  private launches = 0;
  private stopped = false;

  /** @param onRefused told of a program for which no sandbox that stays can be had: each of its runs builds its own from then on */
  constructor(
    private readonly containment: Containment,
    private readonly onRefused: (file: string) => void = () => undefined,
  ) {
    this.tidying = setInterval(() => this.closeIdle(), IDLE_MS / 6).unref();
  }

  /** Pids of what holds the sandboxes, for diagnosis. */
  get pids(): readonly number[] {
    return [...this.hosts.keys()].flatMap(({ pid }) => pid ?? []);
  }

  launch(request: LaunchRequest, handlers: LaunchHandlers, elsewhere: StartElsewhere): LaunchedProcess {
    const kept = this.keptFor(request);
    if (!kept) return elsewhere();
    const host = this.take(kept.idle);
    this.noteArrival(kept, request, host !== undefined);
    if (host) return this.startIn(host, kept, request, handlers);
    const waitIsShort = kept.meanMs < SHORT_RUN_MS && kept.hosts > 0;
    return waitIsShort ? this.queue(kept, request, handlers, elsewhere) : elsewhere();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.tidying);
    for (const { waiting } of this.kept.values()) for (const start of waiting.splice(0)) start(null);
    await Promise.all([...this.hosts.keys()].map((host) => host.close()));
  }

  /** Those of commands that are gone, and those that were planned for other places than there are now, end with the run they hold. */
  retire(current: ReadonlySet<Sandbox>): void {
    const places = this.places();
    for (const [sandbox, kept] of this.kept) {
      if (current.has(sandbox) && kept.places === places) continue;
      this.kept.delete(sandbox);
      kept.isRetired = true;
      for (const host of kept.idle.splice(0)) void host.close();
      for (const start of kept.waiting.splice(0)) start(null);
    }
  }

  private places(): string {
    return [...new Set(this.containment.options.places())].sort().join('\0');
  }

  private keptFor(request: LaunchRequest): Kept | null {
    const { sandbox, privateFolder, stdin } = request;
    // Whoever is talked to stays for long, and others must not wait for that.
    const isFed = typeof stdin === 'object' && stdin !== null;
    if (this.stopped || isFed || privateFolder !== null || this.refused.has(sandbox)) return null;
    const known = this.kept.get(sandbox);
    if (known) return known;
    const plan = this.containment.shared(request, HOST_NEEDS);
    if (!plan) return null;
    const places = this.places();
    const kept: Kept = { plan, places, idle: [], waiting: [], hosts: 0, arrivals: [], meanMs: 0, failures: 0, isRetired: false };
    this.kept.set(sandbox, kept);
    return kept;
  }

  private noteArrival(kept: Kept, request: LaunchRequest, isServed: boolean): void {
    const now = performance.now();
    kept.arrivals = [...kept.arrivals.slice(1 - WORTH_IT_RUNS), now];
    const [oldest = 0] = kept.arrivals;
    const isFrequent = kept.arrivals.length === WORTH_IT_RUNS && now - oldest < WORTH_IT_MS;
    const isRoom = kept.hosts < MOST_OF_ONE && this.hosts.size < MOST_OF_ALL;
    if (isFrequent && !isServed && isRoom) void this.open(kept, request);
  }

  /** Never rejects: without a sandbox that stays, runs get their own. */
  private async open(kept: Kept, request: LaunchRequest): Promise<void> {
    kept.hosts++;
    try {
      const host = ExecutorHost.openIn(kept.plan, [IN_SANDBOX]);
      this.hosts.set(host, performance.now());
      const group = await this.enter(host, kept);
      kept.failures = 0;
      this.offer(host, kept);
      await host.gone;
      this.hosts.delete(host);
      void group?.remove();
    } catch {
      kept.failures++;
      if (kept.failures >= MOST_FAILURES) this.refuse(kept, request);
    } finally {
      kept.hosts--;
    }
  }

  /** Rejects when the sandbox does not come up, or cannot be put into its control group. */
  private async enter(host: ExecutorHost, { plan }: Kept): Promise<ControlGroup | null> {
    let group: ControlGroup | null = null;
    try {
      if (!(await host.ready) || host.pid === undefined) throw new Error('The sandbox did not come up.');
      group = plan.group && (await ControlGroup.create(plan.group, `warm-${host.pid}`));
      // The host starts nothing before it is told to.
      for (const pid of group ? [host.pid, ...descendantsOf(host.pid)] : []) await group?.add(pid);
      return group;
    } catch (error) {
      await host.close();
      this.hosts.delete(host);
      void group?.remove();
      throw error;
    }
  }

  private refuse(kept: Kept, { sandbox, file }: LaunchRequest): void {
    if (!this.refused.has(sandbox) && !this.stopped) this.onRefused(file);
    this.refused.add(sandbox);
    this.kept.delete(sandbox);
    for (const start of kept.waiting.splice(0)) start(null);
  }

  private take(idle: ExecutorHost[]): ExecutorHost | undefined {
    for (let host = idle.pop(); host; host = idle.pop()) {
      if (this.isUsable(host)) return host;
      void host.close();
    }
    return undefined;
  }

  private isUsable(host: ExecutorHost): boolean {
    return host.alive && performance.now() - (this.hosts.get(host) ?? 0) < OLDEST_MS;
  }

  private offer(host: ExecutorHost, kept: Kept): void {
    const next = kept.waiting.shift();
    if (!this.isUsable(host) || this.stopped || kept.isRetired) {
      void host.close();
      if (next) next(null);
    } else if (next) next(host);
    else kept.idle.push(host);
  }

  private startIn(host: ExecutorHost, kept: Kept, request: LaunchRequest, handlers: LaunchHandlers): LaunchedProcess {
    const { file, argv, env, cwd, stdin, outputBytes } = request;
    const startedAt = performance.now();
    const id = ++this.launches;
    host.start(
      id,
      { file, argv, env, cwd, stdin, outputBytes, sandbox: null, group: null },
      {
        onOutput: (stream, data) => handlers.onOutput(stream, data),
        onTruncated: () => handlers.onTruncated(),
        onEnd: (end) => {
          kept.meanMs += LAST_RUN_WEIGHT * (performance.now() - startedAt - kept.meanMs);
          handlers.onEnd(end);
          this.offer(host, kept);
        },
      },
    );
    return { kill: (signal) => host.kill(id, signal) };
  }

  private queue(kept: Kept, request: LaunchRequest, handlers: LaunchHandlers, elsewhere: StartElsewhere): LaunchedProcess {
    let launched: LaunchedProcess | null = null;
    const leave = () => {
      clearTimeout(impatience);
      const place = kept.waiting.indexOf(start);
      if (place >= 0) kept.waiting.splice(place, 1);
    };
    const start: Waiting = (host) => {
      leave();
      launched = host ? this.startIn(host, kept, request, handlers) : startOrEnd(elsewhere, handlers);
    };
    const impatience = setTimeout(() => start(null), LONGEST_WAIT_MS);
    kept.waiting.push(start);
    return {
      kill: (signal) => {
        if (launched) return launched.kill(signal);
        leave();
        launched = { kill: () => undefined };
        handlers.onEnd(ENDED_BEFORE_START);
      },
    };
  }

  private closeIdle(): void {
    const before = performance.now() - IDLE_MS;
    for (const [sandbox, kept] of this.kept) {
      if ((kept.arrivals.at(-1) ?? 0) > before) continue;
      for (const host of kept.idle.splice(0)) void host.close();
      if (kept.hosts === 0) this.kept.delete(sandbox);
    }
  }
}

/** Nobody is there any more to throw to. */
function startOrEnd(elsewhere: StartElsewhere, handlers: LaunchHandlers): LaunchedProcess {
  try {
    return elsewhere();
  } catch {
    handlers.onEnd({ kind: 'failed_to_start', reason: 'the executor is not running' });
    return { kill: () => undefined };
  }
}
