import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SWAPS_LINK = fileURLToPath(new URL('../fixtures/swaps-link.js', import.meta.url));

/** Swaps the folder `path` for a link to `target` and back, in a process of its own, until {@link stop}. */
export class Racer {
  private constructor(private readonly child: ChildProcess) {}

  static async start(path: string, target: string): Promise<Racer> {
    const child = spawn(process.execPath, [SWAPS_LINK, path, target], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout) await once(child.stdout, 'data');
    return new Racer(child);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.kill('SIGKILL')) await once(this.child, 'close');
  }
}
