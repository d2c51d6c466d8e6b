import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../fixtures/fixture.js';
import { eventually } from './eventually.js';
import { Chronicler, remains } from './history.js';
import { checkHistory, type Operation, type Violation } from './history-checker.js';
import type { Program } from './program.js';
import { type Fault, hasStruck, under } from './strace.js';
import { type WitnessHome, witnessHome } from './witness-home.js';

/** What became of a gateway that met with a fault. */
export interface Encounter {
  /** The fault has happened: the gateway came to that call. */
  readonly struck: boolean;
  /** It was not the one to go: it was killed by us, when the clients were done. */
  readonly lived: boolean;
  /** What is wrong after the restart, with this history and all earlier ones of the same home. */
  readonly violations: readonly Violation[];
}

/** One home that lives through one fault after the other, and one history over all of them. */
export class FaultSweep {
  readonly history: Operation[] = [];
  private readonly home: WitnessHome;
  private readonly output: string;
  private encounters = 0;

  constructor() {
    this.home = witnessHome();
    this.output = join(this.home.folder, 'strace');
  }

  /** Path of a file of the store. */
  file(name: string): string {
    return join(this.home.dataDir, name);
  }

  /** How often the busiest thread makes one of these calls while clients do what they always do. */
  async count({ calls, path }: Pick<Fault, 'calls' | 'path'>): Promise<number> {
    await this.meet({ calls, effect: 'delay_enter=1', when: '1+', ...(path === undefined ? {} : { path }) });
    const lines = readFileSync(this.output, 'latin1').split('\n');
    const threads = lines.filter((line) => line.includes('(DELAYED)')).map((line) => line.split(' ', 1)[0]);
    return Math.max(0, ...[...Map.groupBy(threads, String).values()].map(({ length }) => length));
  }

  /** Serves under the fault, lets clients do what they always do, kills what is left, restarts without fault and looks. */
  async meet(fault: Fault): Promise<Encounter> {
    this.encounters += 1;
    rmSync(this.output, { force: true });
    const server = this.home.start(['serve'], {}, under(fault, this.output));
    await this.load(server);
    const struck = existsSync(this.output) && hasStruck(readFileSync(this.output, 'latin1'));
    const lived = !server.hasEnded;
    await server.end('SIGKILL');
    return { struck, lived, violations: await this.look() };
  }

  /** Asks for runs, some at a time, waited for and not, until all are answered or the gateway is gone. */
  private async load(server: Program): Promise<void> {
    const caller = await server.as(this.home.adminKey).catch(() => undefined);
    // It did not even come up.
    if (!caller) return;
    const client = new Chronicler(caller, this.history);
    const plan = ['quick wait', 'quick async', 'long async', 'quick wait', 'quick async', 'quick wait'];
    const worker = async (name: string) => {
      for (const [place, step] of plan.entries()) {
        const [command = '', patience] = step.split(' ') as [string, 'wait' | 'async'];
        const operation = await client.run(command, `mark-${this.encounters}-${name}${place}`, patience);
        if (operation.outcome === 'unknown' && server.hasEnded) return;
      }
    };
    await Promise.all([worker('a'), worker('b')]);
  }

  private async look(): Promise<readonly Violation[]> {
    const server = await this.home.serve();
    const left = await remains(await server.as(this.home.adminKey), this.home.marks);
    await server.end('SIGTERM');
    await eventually(() => this.home.pids().filter(isAlive).length === 0, 5_000);
    return checkHistory(this.history, left);
  }
}
