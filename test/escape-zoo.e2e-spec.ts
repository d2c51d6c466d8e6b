import { afterEach, describe, expect, it } from '@jest/globals';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { fixture } from './fixtures/fixture.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, parseEvents } from './kit/gateway.js';
import { type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { family, marked, type ProcessIdentity, survivors } from './kit/survivors.js';
import { contained } from './kit/where.js';

afterEach(removeHomes);

const HOWS = [
  ...['double-fork', 'session', 'nohup', 'daemon', 'ignored-signals', 'no-descriptors', 'other-name', 'no-environment'],
  ...['vfork', 'stopped', 'held-pipe', 'relay', 'bomb'],
];
/** Those that could outlive what ends them in a sandbox; each takes a sandbox that stays. */
const SOME = ['session', 'daemon', 'no-environment', 'stopped', 'relay', 'bomb'];
const TIMEOUT = '4s';
const POLL_MS = 50;
/** They are given one second; a machine that has much to do beside tests, more. */
const GONE_WITHIN_MS = 3_000;

/** Where programs run, and the pid that the program's parent has there. */
interface Cage {
  readonly declaration: Declaration;
  readonly parent: (pid: number) => boolean;
  readonly isKept: boolean;
  readonly hows: readonly string[];
}

const processes = 400;
const sandbox = { profile: 'pure', read: [fixture('')] };
const CAGES: Readonly<Record<string, Cage>> = {
  'no sandbox': { declaration: { sandbox: { profile: 'host' } }, parent: (pid) => pid > 2, isKept: false, hows: HOWS },
  // A bound on the processor time of each run cannot be shared.
  'a sandbox of its own': {
    declaration: { sandbox, limits: { cpu: '1h', processes } },
    parent: (pid) => pid === 1,
    isKept: false,
    hows: HOWS,
  },
  'a sandbox that stays': { declaration: { sandbox, limits: { processes } }, parent: (pid) => pid === 2, isKept: true, hows: SOME },
};

/** Seconds that nobody else sleeps. */
let lastMark = 100_000_000 + Math.floor(Math.random() * 800_000_000);

class Zoo {
  private constructor(
    readonly cage: Cage,
    readonly program: Program,
    readonly caller: Caller,
  ) {}

  static async open(cage: Cage): Promise<Zoo> {
    const home: ProgramHome = programHome({ settings: { SANDBOX: 'auto' } });
    const declare = (how: string) =>
      command({
        ...cage.declaration,
        exec: [fixture('escapes'), how, '{mark}', '{mode}'],
        params: { mark: { type: 'integer' }, mode: { type: 'enum', values: ['warms', 'ends', 'stays'] } },
        timeout: TIMEOUT,
      });
    home.declare(Object.fromEntries(cage.hows.map((how) => [how, declare(how)])));
    const program = await home.serve();
    return new Zoo(cage, program, await program.as(home.adminKey));
  }

  /** Lets all of them out at once; resolves when they have done what they do, to what they left and where they left it. */
  async release(mode: 'ends' | 'stays'): Promise<Released[]> {
    if (this.cage.isKept)
      for (const how of this.cage.hows) for (let left = 3; left > 0; left--) await this.caller.run(how, { mark: 0, mode: 'warms' });
    return Promise.all(this.cage.hows.map((how) => this.releaseOne(how, mode)));
  }

  async releaseOne(how: string, mode: string): Promise<Released> {
    const mark = ++lastMark;
    const { body } = await this.caller.post<RunEnvelope>('/run', { command: how, args: { mark, mode } }, { prefer: 'respond-async' });
    const watch = await watchRun(this.caller, body.id);
    return { how, id: body.id, mark: String(mark), parent: Number(await watch.printed), status: watch.status };
  }

  /** Everything that the commands started; what the gateway keeps for itself is left out. */
  inhabitants(): ProcessIdentity[] {
    return family(this.program.pid).filter(({ commandLine }) => !/^sallyport-executor|launcher\/host\.js/.test(commandLine));
  }
}

interface Released {
  readonly how: string;
  readonly id: string;
  readonly mark: string;
  readonly parent: number;
  /** How the run ended, once it has. */
  readonly status: Promise<string>;
}

/** Follows a run without asking again and again: 40 of them at a time would keep the machine busy. */
async function watchRun({ url, key }: Caller, id: string): Promise<{ printed: Promise<string>; status: Promise<string> }> {
  const { body } = await fetch(`${url}/runs/${id}/stream`, { headers: { 'x-api-key': key ?? '' } });
  const printed = Promise.withResolvers<string>();
  const status = Promise.withResolvers<string>();
  const read = async () => {
    let text = '';
    for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += piece;
      for (const { event, data } of parseEvents(text.slice(0, text.lastIndexOf('\n\n') + 2))) {
        if (event === 'output') printed.resolve(String(data['data']));
        if (event === 'run.finished') status.resolve(String(data['status']));
      }
    }
  };
  void read()
    .catch(() => undefined)
    .finally(() => (printed.resolve(''), status.resolve('unknown: the gateway went away')));
  return { printed: printed.promise, status: status.promise };
}

async function expectNobody(known: readonly ProcessIdentity[], released: readonly Released[]): Promise<void> {
  const marks = released.map(({ mark }) => mark);
  await eventually(async () => (expect(await survivors(known, marks)).toEqual([]), true), GONE_WITHIN_MS, POLL_MS);
}

describe.each(Object.entries(CAGES))('in %s', (name, cage) => {
  const test = name === 'no sandbox' ? it : contained;

  test('nobody outlives a run, however it ended', async () => {
    const zoo = await Zoo.open(cage);
    // Nobody else's end helps to find what this one left.
    const lone = await zoo.releaseOne('daemon', 'ends');
    expect(await lone.status).toBe('succeeded');
    expect(marked([lone.mark])).toEqual([]);
    const finished = await zoo.release('ends');
    expect(await statuses(finished)).toEqual(cage.hows.map((how) => [how, 'succeeded']));
    await expectNobody([], finished);
    for (const [status, end] of Object.entries(ENDS)) {
      const released = await zoo.release('stays');
      const known = zoo.inhabitants();
      expect(released.filter(({ parent }) => !cage.parent(parent))).toEqual([]);
      expectSeen(released);
      await end(zoo, released);
      const ended = await statuses(released);
      await expectNobody(known, released);
      expect(ended).toEqual(cage.hows.map((how) => [how, status]));
    }
    const last = await zoo.release('stays');
    const everybody = family(zoo.program.pid);
    await zoo.program.end('SIGKILL');
    await expectNobody(everybody, last);
  }, 90_000);
});

function statuses(released: readonly Released[]): Promise<string[][]> {
  return Promise.all(released.map(async ({ how, status }) => [how, await status]));
}

/** By what a run ends, and its status then. */
const ENDS: Readonly<Record<string, (zoo: Zoo, released: readonly Released[]) => unknown>> = {
  timed_out: () => undefined,
  cancelled: ({ caller }, released) => Promise.all(released.map(({ id }) => caller.post(`/runs/${id}/cancel`))),
  lost: ({ program }) => hostsOf(program).map((pid) => process.kill(pid, 'SIGKILL')),
};

/** What is looked for afterwards is there: the program itself, and at least one that it left. */
function expectSeen(released: readonly Released[]): void {
  const seen = marked(released.map(({ mark }) => mark)).map(({ commandLine }) => commandLine);
  const count = ({ mark }: Released) => seen.filter((line) => line.includes(mark)).length;
  expect(released.filter((one) => count(one) < (one.how === 'relay' ? 1 : 2))).toEqual([]);
}

/** Executor hosts, in sandboxes too. */
function hostsOf({ pid }: Program): number[] {
  return family(pid)
    .filter(({ commandLine }) => commandLine.startsWith('sallyport-executor'))
    .map((host) => host.pid);
}
