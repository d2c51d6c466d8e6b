import { killProcess } from './process-group.js';
import { allProcesses, environmentOf } from './process-tree.js';

/** A child that was just being made has its environment by then. */
const SECOND_LOOK_MS = 200;

/**
 * Kills what a host started and can tell nobody about any more, because it was killed itself: processes that have one of
 * these entries (`TRACEPARENT=…`, which no two runs share) in their environment. Where there is no procfs, nothing is done.
 */
export function killLeftBehind(entries: ReadonlySet<string>): void {
  if (entries.size === 0) return;
  kill(entries);
  setTimeout(() => kill(entries), SECOND_LOOK_MS);
}

function kill(entries: ReadonlySet<string>): void {
  for (const pid of allProcesses()) if (environmentOf(pid).some((entry) => entries.has(entry))) killProcess(pid, 'SIGKILL');
}
