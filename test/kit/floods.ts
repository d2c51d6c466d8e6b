import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Page } from '../../src/domain/audit.js';
import type { RunEnvelope, RunSummary } from '../../src/runs/run-envelope.js';
import { fixture } from '../fixtures/fixture.js';
import { command } from './commands.js';
import { eventually } from './eventually.js';
import type { Caller, Declaration } from './gateway.js';
import { type Program, type ProgramHome, programHome } from './program.js';
import { RawConnection } from './raw-connection.js';
import { requestText } from './raw-http.js';

export const MIB = 1024 ** 2;
export const GIB = 1024 * MIB;
const KEPT = 1 * MIB;
const KINDS = ['line', 'lines', 'stderr', 'both'];
/** Seldom enough to be no load of its own. */
const LOOK_EVERY_MS = 100;

const flood = (exec: readonly string[]): Declaration =>
  command({ exec: [...exec, '{bytes}'], params: { bytes: { type: 'integer', min: 0 } }, limits: { output: '1MiB' }, timeout: '30min' });

/** A gateway whose commands print more than anybody wants, and a caller of it. */
export class FloodedGateway {
  private constructor(
    readonly home: ProgramHome,
    readonly program: Program,
    readonly caller: Caller,
  ) {}

  /** Warmed up: what the first megabytes of so many floods at once cost is no growth. */
  static async start(atOnce = 4): Promise<FloodedGateway> {
    const home = programHome({
      commands: {
        line: flood([fixture('floods-stdout')]),
        lines: flood([fixture('floods-lines')]),
        stderr: flood([fixture('floods-stderr')]),
        both: flood([fixture('floods-both')]),
        endless: command({ exec: [fixture('endless-line')], limits: { output: '1MiB' }, timeout: '3s' }),
      },
    });
    const program = await home.serve();
    const gateway = new FloodedGateway(home, program, await program.as(home.adminKey));
    for (const _ of KINDS) await gateway.passTogether(atOnce, atOnce * 4 * MIB);
    return gateway;
  }

  /** So many floods of all kinds, with so many bytes between them. */
  async passTogether(count: number, bytes: number): Promise<void> {
    const share = Math.ceil(bytes / count);
    const kinds = Array.from({ length: count }, (_, index) => KINDS[index % KINDS.length]!);
    await Promise.all(kinds.map((kind) => this.pass(kind, kind === 'both' ? Math.ceil(share / 2) : share)));
  }

  /** Lets so many bytes pass: as much as the limit is kept of them, they are told to be cut, and the end is seen. */
  async pass(name: string, bytes: number): Promise<void> {
    const run = await this.caller.run(name, { bytes });
    expect({ ...told(run), kept: keptOf(run) }).toEqual({
      status: 'succeeded',
      outcome: { kind: 'exited', code: 0 },
      truncated: true,
      kept: KEPT,
    });
  }

  /** A line that ends only because its run is ended. */
  async passEndless(): Promise<void> {
    const run = await this.caller.run('endless');
    const outcome = { kind: 'timed_out', afterMs: 3_000 };
    expect({ ...told(run), kept: keptOf(run) }).toEqual({ status: 'timed_out', outcome, truncated: true, kept: KEPT });
  }

  /** Opens a stream of a new run, of which nobody reads, and gives the run when it has ended all the same. */
  async passUnread(name: string, bytes: number): Promise<void> {
    const { url, key } = this.caller;
    const body = JSON.stringify({ command: name, args: { bytes } });
    const connection = await RawConnection.open(url);
    connection.pause();
    const before = await this.newest(name);
    connection.send(requestText('POST', '/stream', [`X-API-Key: ${key}`, 'Content-Type: application/json'], body));
    const id = await eventually(async () => {
      const newest = await this.newest(name);
      return newest !== undefined && newest.id !== before?.id && newest.id;
    });
    await eventually(async () => (await delay(LOOK_EVERY_MS), (await this.newest(name))?.finishedAt !== null), 10 * 60_000);
    const ended = (await this.caller.get<RunEnvelope>(`/runs/${id}`)).body;
    expect({ ...told(ended), kept: keptOf(ended) }).toMatchObject({ status: 'succeeded', truncated: true, kept: KEPT });
  }

  private async newest(name: string): Promise<RunSummary | undefined> {
    return (await this.caller.get<Page<RunSummary>>(`/runs?command=${name}&limit=1`)).body.items[0];
  }
}

function told({ status, outcome, truncated }: RunEnvelope): Pick<RunEnvelope, 'status' | 'outcome' | 'truncated'> {
  return { status, outcome, truncated };
}

function keptOf({ stdout, stderr }: RunEnvelope): number {
  return Buffer.byteLength(stdout) + Buffer.byteLength(stderr);
}
