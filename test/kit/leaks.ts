import { readdirSync, readFileSync } from 'node:fs';
import type { LaunchRequest } from '../../src/domain/launcher.js';
import type { ProcessLauncher } from '../../src/launcher/process-launcher.js';
import { isAlive } from '../fixtures/fixture.js';
import { eventually } from './eventually.js';

/** What keeps an event loop alive and is of our making. Timers of the test runner come and go, so those are compared, not counted. */
const HANDLES = ['ProcessWrap', 'MessagePort', 'TCPServerWrap', 'TCPSocketWrap', 'PipeWrap', 'FSEventWrap', 'Timeout'];

/** What gateways of this test file may leave behind: their executor hosts, and the programs that those started. */
export class LeakWatch {
  private readonly hosts = new Set<number>();
  private readonly traces = new Set<string>();
  private handlesBefore: ReadonlyMap<string, number> | undefined;

  /** Must be called before anything of a gateway is made; the first call notes what the runner itself holds. */
  begin(): void {
    // Opened when they are first looked at; what a test prints is no leak of the gateway.
    void [process.stdin, process.stdout, process.stderr];
    this.handlesBefore ??= handles();
  }

  /** Notes every program that the launcher starts from now on; the list given back grows with them. */
  watch(launcher: ProcessLauncher): readonly LaunchRequest[] {
    const launches: LaunchRequest[] = [];
    const launch = launcher.launch.bind(launcher);
    launcher.launch = (request, handlers) => {
      launches.push(request);
      this.traces.add(request.env['TRACEPARENT'] ?? '');
      this.noteHosts(launcher);
      return launch(request, handlers);
    };
    this.noteHosts(launcher);
    return launches;
  }

  noteHosts(launcher: ProcessLauncher): void {
    for (const pid of launcher.hostPids) this.hosts.add(pid);
  }

  /** Rejects when a host, a program or a handle is still there a moment after the gateways were stopped. Begins anew. */
  async expectNoLeaks(): Promise<void> {
    const before = this.handlesBefore;
    if (!before) return;
    try {
      await eventually(() => {
        const left = [...this.survivors(), ...surplus(before)];
        if (left.length > 0) throw new Error(`left behind by the gateways of this test: ${left.join(', ')}`);
        return true;
      }, 5_000);
    } finally {
      this.hosts.clear();
      this.traces.clear();
      this.handlesBefore = undefined;
    }
  }

  private survivors(): string[] {
    const hosts = [...this.hosts].filter(isAlive).map((pid) => `executor host ${pid}`);
    const programs = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && this.isOurs(pid) && isAlive(Number(pid)));
    return [...hosts, ...programs.map((pid) => `program ${pid}`)];
  }

  /** Every program of a run carries its trace in its environment, and so does what it starts, whatever group that is in. */
  private isOurs(pid: string): boolean {
    try {
      const trace = /(?:^|\0)TRACEPARENT=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, 'latin1'))?.[1];
      return trace !== undefined && this.traces.has(trace);
    } catch {
      return false;
    }
  }
}

function handles(): ReadonlyMap<string, number> {
  return new Map(HANDLES.map((kind) => [kind, process.getActiveResourcesInfo().filter((held) => held === kind).length]));
}

function surplus(before: ReadonlyMap<string, number>): string[] {
  return [...handles()]
    .filter(([kind, count]) => count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${count - (before.get(kind) ?? 0)} ${kind}`);
}
