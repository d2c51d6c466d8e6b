import { type Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';

/** Of one profile. */
const PROFILE_MS = 10_000;
const SAMPLE_EVERY_US = 10_000;
const MAIN_THREAD = '0';
/** Time without work says nothing. */
const IDLE = '(idle)';

/** A profile in Sentry's sample format: each sample is a stack, each stack a list of frames, the innermost first. */
export interface CpuProfile {
  readonly samples: readonly { readonly stack_id: number; readonly thread_id: string; readonly timestamp: number }[];
  readonly stacks: readonly (readonly number[])[];
  readonly frames: readonly { readonly filename: string; readonly function: string; readonly lineno: number; readonly colno: number }[];
}

/** Looks a hundred times a second where the main thread is, for some of the time: V8's own sampling, through the inspector of this process. */
export class CpuProfiler {
  private readonly session = new Session();
  private begunAt: number | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  /**
   * @param rate share of the time, from 0 to 1
   * @param onProfile hears of each that has samples
   * @param onFailure hears when the engine does not do it
   */
  constructor(
    private readonly rate: number,
    private readonly onProfile: (profile: CpuProfile) => void,
    private readonly onFailure: () => void,
  ) {}

  start(): void {
    if (this.rate === 0) return;
    this.session.connect();
    void this.goOn();
  }

  /** What was under way is a profile too. */
  async stop(): Promise<void> {
    clearTimeout(this.timer);
    this.isStopped = true;
    await this.end().catch(this.onFailure);
    this.session.disconnect();
  }

  private async goOn(): Promise<void> {
    try {
      await this.end();
      if (this.isStopped) return;
      if (Math.random() < this.rate) await this.begin();
    } catch {
      this.onFailure();
    }
    this.timer = setTimeout(() => void this.goOn(), PROFILE_MS).unref();
  }

  private async begin(): Promise<void> {
    await this.session.post('Profiler.enable');
    await this.session.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US });
    await this.session.post('Profiler.start');
    this.begunAt = Date.now() / 1_000;
  }

  private async end(): Promise<void> {
    const { begunAt } = this;
    if (begunAt === undefined) return;
    this.begunAt = undefined;
    const { profile } = await this.session.post('Profiler.stop');
    await this.session.post('Profiler.disable');
    const sampled = sampledOf(profile, begunAt);
    if (sampled.samples.length > 0) this.onProfile(sampled);
  }
}

/** @param begunAt seconds since 1970 */
function sampledOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile, begunAt: number): CpuProfile {
  const known = new Map(nodes.map((node, index) => [node.id, index]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const stackOf = (leaf: number): number[] => {
    const stack: number[] = [];
    // The outermost is the root, which is no function.
    for (let id: number | undefined = leaf; id !== undefined && parents.has(id); id = parents.get(id)) stack.push(known.get(id) ?? 0);
    return stack;
  };
  const stacks = new Map<number, number>();
  let at = begunAt;
  const taken = samples.flatMap((leaf, index) => {
    at += (timeDeltas[index] ?? 0) / 1e6;
    if (nodes[known.get(leaf) ?? 0]?.callFrame.functionName === IDLE) return [];
    if (!stacks.has(leaf)) stacks.set(leaf, stacks.size);
    return [{ stack_id: stacks.get(leaf) ?? 0, thread_id: MAIN_THREAD, timestamp: at }];
  });
  return {
    samples: taken,
    stacks: [...stacks.keys()].map(stackOf),
    frames: nodes.map(({ callFrame: { url, functionName, lineNumber, columnNumber } }) => ({
      filename: url === '' ? 'node:engine' : url,
      function: functionName === '' ? '<anonymous>' : functionName,
      lineno: lineNumber + 1,
      colno: columnNumber + 1,
    })),
  };
}
