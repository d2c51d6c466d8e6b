/**
 * Entry point of an executor host: a small process that starts programs for the gateway. Starting one blocks the event
 * loop, and by Node's own means copies the page tables, so it is done here, where there are few pages and nobody waits.
 * Started by `ExecutorHost`, fed over the IPC channel; it ends when the channel does, however the gateway ended.
 */
import { setPriority } from 'node:os';
import { ENDED_BEFORE_START } from '../domain/executor.js';
import { PassingMap } from '../domain/passing-map.js';
import { closeInheritedDescriptors, descriptorLimit } from './descriptors.js';
import { IN_SANDBOX, WITHOUT_FFI, type HostCommand, type SpawnMechanism, type StartCommand } from './host-protocol.js';
import { HostRun, type RunSurroundings } from './host-run.js';
import { spawnChild, type SpawnChild } from './node-spawn.js';
import { endAll, ORPHAN_LOOK_MS, ORPHAN_LOOKS, Orphans, type RunsUnderWay } from './orphans.js';
import { Outbox } from './outbox.js';
import { SandboxCleaner } from './sandbox-cleaner.js';

/** What programs run at, and their host with them: the gateway answers first, however busy they keep the processors. */
const NICENESS = 5;

/**
 * Starts in one turn: a share of the programs that are here, so that those before are read and answered while the next are started, and no more
 * at a time than two processors can end before the next turn. Fewer wake everybody more often for the same work (ADR 0014).
 */
const SHARE_PER_TURN = 1 / 3;
const LEAST_PER_TURN = 4;
const MOST_PER_TURN = 16;
/** Rounds of the event loop between two turns: ends are found, reports are written, and what came meanwhile is read. */
const ROUNDS_BETWEEN_TURNS = 3;

/** What a run holds in this process: its pipes, and those of its sandbox. */
const DESCRIPTORS_PER_RUN = 5;
/** What Node holds, and what a start needs for a moment. */
const DESCRIPTORS_RESERVED = 48;

interface Means {
  readonly mechanism: SpawnMechanism;
  readonly spawnChild: SpawnChild;
  /** Ends what belongs to no run, and says whether there was anything; null where the kernel cannot be asked to give orphans to us. */
  readonly orphans: Pick<Orphans, 'end'> | null;
}

// Before the cleaner notes what programs inherit.
setPriority(NICENESS);
const cleaner = process.argv.includes(IN_SANDBOX) ? new SandboxCleaner() : null;
const { mechanism, spawnChild: spawn, orphans } = await bestMeans();
const waiting = new PassingMap<number, StartCommand>();
const runs = new PassingMap<number, HostRun>();
/** Node never closes the pipes of a child that failed for want of descriptors, so it must not come to that. */
const mostRuns = Math.floor((descriptorLimit() - DESCRIPTORS_RESERVED) / DESCRIPTORS_PER_RUN);
const outbox = new Outbox(
  (batch, sent) => process.send?.(batch, undefined, undefined, sent),
  () => {
    for (const run of runs.values()) run.resume();
  },
);
const underWay: RunsUnderWay = {
  isProgram: (pid) => runs.some((run) => run.pid === pid),
  isMark: (entry) => runs.some((run) => !run.isOver && run.mark === entry),
};
let nextLook: Promise<void> | null = null;
let nextTurnIsDue = false;

/** posix_spawn where it can be called; child_process serves other systems. */
async function bestMeans(): Promise<Means> {
  const fallback = { mechanism: 'child_process', spawnChild, orphans: null } as const;
  if (process.argv.includes(WITHOUT_FFI)) return fallback;
  try {
    const [{ PosixSpawner }, { OwnProcess }] = await Promise.all([import('./posix-spawn.js'), import('./own-process.js')]);
    const self = new OwnProcess();
    const spawner = new PosixSpawner(self);
    // The programs have this process's user: none of them may learn from it what others were given.
    if (!self.hide() && cleaner) process.exit(1);
    // In a sandbox one program runs at a time, and the pool is as large as elsewhere.
    if (!cleaner) await self.keepThreadsAsleep();
    return {
      mechanism: 'posix_spawn',
      spawnChild: (request, events) => spawner.spawn(request, events),
      orphans: cleaner ?? (self.adoptOrphans() ? new Orphans(self) : null),
    };
  } catch {
    // Without it nothing could be hidden from one program, or removed, before the next.
    if (cleaner) process.exit(1);
    // The gateway tells the operator by the mechanism that is reported.
    return fallback;
  }
}

function startSome(): void {
  nextTurnIsDue = false;
  const share = Math.ceil((waiting.size + runs.size) * SHARE_PER_TURN);
  let left = Math.min(Math.max(share, LEAST_PER_TURN), MOST_PER_TURN);
  for (const [id, command] of waiting) {
    if (left-- === 0) break;
    waiting.delete(id);
    const run = new HostRun(command, surroundingsOf(id));
    runs.set(id, run);
    if (runs.size > mostRuns) run.onFailure('EMFILE');
    else run.start();
  }
  if (waiting.size > 0) startLater(ROUNDS_BETWEEN_TURNS);
}

function startLater(rounds: number): void {
  nextTurnIsDue = true;
  setImmediate(() => (rounds > 1 ? startLater(rounds - 1) : startSome()));
}

function surroundingsOf(id: number): RunSurroundings {
  return { spawnChild: spawn, adopts: orphans !== null, outbox, endOrphans, onGone: () => runs.delete(id) };
}

/** What ends in one turn is looked after together. */
function endOrphans(): Promise<void> {
  return (nextLook ??= new Promise((resolve) => {
    setImmediate(() => {
      nextLook = null;
      resolve(lookForOrphans());
    });
  }));
}

async function lookForOrphans(): Promise<void> {
  const alive = await endAll(killOrphans);
  if (cleaner && (alive || !cleaner.tidy())) outbox.push({ kind: 'spent' });
}

/** Whether there were any. */
function killOrphans(): boolean {
  return orphans?.end(underWay) ?? false;
}

function carryOut(batch: readonly HostCommand[]): void {
  for (const command of batch) {
    if (command.kind === 'start') waiting.set(command.id, command);
    else if (command.kind === 'input') runs.get(command.id)?.feed(command.data);
    else if (waiting.delete(command.id)) outbox.push({ kind: 'failed', id: command.id, reason: ENDED_BEFORE_START.reason });
    else runs.get(command.id)?.kill(command.signal);
  }
  if (waiting.size > 0 && !nextTurnIsDue) startSome();
}

function end(code: number): never {
  for (const [id, run] of runs) {
    run.kill('SIGKILL');
    runs.delete(id);
  }
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let look = 0; look < ORPHAN_LOOKS && killOrphans(); look++) Atomics.wait(pause, 0, 0, ORPHAN_LOOK_MS);
  process.exit(code);
}

// A terminal signals its whole foreground group, this process too; what is to end is the gateway's decision.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => undefined);
process.on('disconnect', () => end(0));
process.on('uncaughtException', (error) => {
  process.stderr.write(`sallyport executor host: ${error.stack ?? error.message}\n`);
  end(1);
});
process.on('message', carryOut);
closeInheritedDescriptors();
process.title = 'sallyport-executor';
// The gateway may have gone while there was nobody yet to hear of it.
if (process.connected) outbox.push({ kind: 'ready', mechanism, adopts: orphans !== null });
else end(0);
