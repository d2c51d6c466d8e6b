/**
 * Entry point of an executor host: a small process that starts programs for the gateway. Starting one blocks the event
 * loop, and by Node's own means copies the page tables, so it is done here, where there are few pages and nobody waits.
 * Started by `ExecutorHost`, fed over the IPC channel; it ends when the channel does, however the gateway ended.
 */
import { closeInheritedDescriptors, descriptorLimit } from './launcher-descriptors.js';
import { Outbox } from './launcher-outbox.js';
import { WITHOUT_FFI, type HostCommand, type SpawnMechanism, type StartCommand } from './launcher-protocol.js';
import { HostRun } from './launcher-run.js';
import { spawnChild, type SpawnChild } from './launcher-spawn.js';

/** After so many starts their pids are reported and events looked at, before the next ones. */
const STARTS_PER_TURN = 8;

/** What a run holds in this process: its pipes. */
const DESCRIPTORS_PER_RUN = 3;
/** What Node holds, and what a start needs for a moment. */
const DESCRIPTORS_RESERVED = 48;

const { mechanism, spawn } = await fastestSpawn();
const waiting = new Map<number, StartCommand>();
const runs = new Map<number, HostRun>();
/** Node never closes the pipes of a child that failed for want of descriptors, so it must not come to that. */
const mostRuns = Math.floor((descriptorLimit() - DESCRIPTORS_RESERVED) / DESCRIPTORS_PER_RUN);
const outbox = new Outbox(
  (batch, sent) => process.send?.(batch, undefined, undefined, sent),
  () => runs.forEach((run) => run.resume()),
);

/** By posix_spawn where that can be called; child_process serves other systems, and programs that read their stdin. */
async function fastestSpawn(): Promise<{ readonly mechanism: SpawnMechanism; readonly spawn: SpawnChild }> {
  const fallback = { mechanism: 'child_process', spawn: spawnChild } as const;
  if (process.argv.includes(WITHOUT_FFI)) return fallback;
  try {
    const { PosixSpawner } = await import('./posix-spawn.js');
    const spawner = new PosixSpawner();
    return {
      mechanism: 'posix_spawn',
      spawn: (request, events) => (request.stdin === null ? spawner.spawn(request, events) : spawnChild(request, events)),
    };
  } catch {
    // The gateway tells the operator by the mechanism that is reported.
    return fallback;
  }
}

function startSome(): void {
  let starts = 0;
  for (const [id, command] of waiting) {
    if (starts++ === STARTS_PER_TURN) break;
    waiting.delete(id);
    const run = new HostRun(command, spawn, outbox, () => runs.delete(id));
    runs.set(id, run);
    if (runs.size > mostRuns) run.onFailure('EMFILE');
    else run.start();
  }
  // At once: should this process be killed, the gateway must know whom to kill.
  outbox.flush();
  if (waiting.size > 0) setImmediate(startSome);
}

function carryOut(batch: readonly HostCommand[]): void {
  const idle = waiting.size === 0;
  for (const command of batch) {
    if (command.kind === 'start') waiting.set(command.id, command);
    else if (waiting.delete(command.id)) outbox.push({ kind: 'failed', id: command.id, reason: 'the run was ended before its start' });
    else runs.get(command.id)?.kill(command.signal);
  }
  if (idle && waiting.size > 0) startSome();
}

function end(code: number): never {
  runs.forEach((run) => run.kill('SIGKILL'));
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
outbox.push({ kind: 'ready', mechanism });
