import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import type { Problem } from '../src/domain/errors.js';
import type { ReloadReport } from '../src/reload/reload.service.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command } from './kit/commands.js';
import type { Caller } from './kit/gateway.js';
import { programHome, removeHomes } from './kit/program.js';

const RELOADS = 200;
const CALLERS = 4;

/** One file of a catalogue that says everywhere of which version it is: in what is shown, in argv, in the environment. */
function fileOf(name: string, version: number): string {
  const says = command({
    summary: `version ${version}`,
    script: { interpreter: 'sh', text: `echo $VERSION ${version} $1`, args: ['{word}'] },
    params: { word: { type: 'string', default: `${version}` } },
    env: { VERSION: `${version}` },
    phrases: [`say ${name}`],
  });
  return stringify({ commands: { [name]: says } }, { aliasDuplicateObjects: false });
}

/** Numbers that look random and are the same in each run of the test. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** Contents by name. */
type Files = Readonly<Partial<Record<'a' | 'b', string | Buffer>>>;
const entriesOf = (files: Files) => Object.entries(files);

/** A catalogue of two files behind a link, as Kubernetes makes it, and everything that may befall it. */
class Catalogue {
  /** Of the catalogue that was whole at last. */
  version = 0;
  private folders = 0;
  private readonly roll = dice(58);

  constructor(private readonly folder: string) {
    mkdirSync(folder);
    this.swap({ a: fileOf('a', 0), b: fileOf('b', 0) });
    for (const name of ['a', 'b']) symlinkSync(`..data/${name}.yaml`, join(folder, `${name}.yaml`));
  }

  /** Changes it in some way. @returns whether it is whole then */
  change(): boolean {
    const next = this.version + 1;
    const [a, b] = [fileOf('a', next), fileOf('b', next)];
    const whole: Files = { a, b };
    switch (this.roll(8)) {
      case 0:
        return this.isMistaken(() => this.swap({ a, b: b.slice(0, 1 + this.roll(40)) }));
      case 1:
        return this.isMistaken(() => this.swap({ a, b: Buffer.from(b).fill(0x80 | this.roll(256), 5, 9) }));
      case 2:
        return this.isMistaken(() => this.swap({ a }));
      case 3:
        return this.isMistaken(() => this.swap({ a, b: '' }));
      case 4:
        return this.isMistaken(() => this.swap(whole, 'nowhere'));
      case 5:
        return this.isWhole(next, () => this.write({ a: a.slice(0, a.length / 2) }, { b }, { a }));
      case 6:
        return this.isWhole(next, () => this.rename({ b: '' }, { a }, { b }));
      default:
        return this.isWhole(next, () => this.swap(whole));
    }
  }

  private isMistaken(change: () => void): false {
    change();
    return false;
  }

  private isWhole(version: number, change: () => void): true {
    change();
    this.version = version;
    return true;
  }

  /** One after the other, in place, with something unfinished in between. */
  private write(...steps: readonly Files[]): void {
    this.undangle();
    for (const [name, content] of steps.flatMap(entriesOf)) writeFileSync(join(this.folder, '..data', `${name}.yaml`), content);
  }

  /** The same, each beside its place and then renamed to it. */
  private rename(...steps: readonly Files[]): void {
    this.undangle();
    for (const [name, content] of steps.flatMap(entriesOf)) {
      writeFileSync(join(this.folder, '.beside'), content);
      renameSync(join(this.folder, '.beside'), join(this.folder, '..data', `${name}.yaml`));
    }
  }

  private undangle(): void {
    if (!existsSync(join(this.folder, '..data'))) this.swap({ a: '' });
  }

  /** Another folder of files, and the link to it replaced in one step. */
  private swap(files: Files, target?: string): void {
    const made = `..${++this.folders}`;
    mkdirSync(join(this.folder, made));
    for (const [name, content] of entriesOf(files)) writeFileSync(join(this.folder, made, `${name}.yaml`), content);
    symlinkSync(target ?? made, join(this.folder, '..data_tmp'));
    renameSync(join(this.folder, '..data_tmp'), join(this.folder, '..data'));
  }
}

interface Load {
  requests: number;
  readonly failures: string[];
}

/** Asks for everything that reads the catalogue, over and over; each answer must be of one version throughout. */
async function ask(caller: Caller, load: Load, goesOn: () => boolean): Promise<void> {
  const name = () => (load.requests % 2 === 0 ? 'a' : 'b');
  while (goesOn()) {
    const run = await caller.post<RunEnvelope>('/run', load.requests % 3 === 0 ? { text: `say ${name()}` } : { command: name() });
    const words = new Set(run.body.stdout?.trim().split(' '));
    if (run.status !== 200 || words.size !== 1) load.failures.push(`run ${run.status} ${JSON.stringify(run.body)}`);
    const list = await caller.get<{ items: { summary: string; example: { args: { word: string } } }[] }>('/commands');
    const shown = new Set(list.body.items?.flatMap(({ summary, example }) => [summary, `version ${example.args.word}`]));
    if (list.status !== 200 || shown.size !== 1) load.failures.push(`commands ${list.status} ${[...shown].join()}`);
    load.requests += 2;
  }
}

describe('two hundred reloads under load', () => {
  afterAll(removeHomes);

  it('with files that are corrupted, cut, renamed and swapped: no request fails, and none sees two versions [H12] [T58]', async () => {
    const home = programHome();
    rmSync(join(home.folder, 'commands'), { recursive: true });
    const catalogue = new Catalogue(join(home.folder, 'commands'));
    const server = await home.serve({ CONFIG_WATCH: 'true' });
    const admin = await server.as(home.adminKey);
    const load: Load = { requests: 0, failures: [] };
    let goesOn = true;
    const callers = Array.from({ length: CALLERS }, () => ask(admin, load, () => goesOn));
    const results = { whole: 0, mistaken: 0 };
    for (let reload = 0; reload < RELOADS && load.failures.length === 0; reload++) {
      const isWhole = catalogue.change();
      const { status, body } = await admin.post<ReloadReport & Problem>('/config/reload');
      expect([reload, status, body.code]).toEqual([reload, isWhole ? 200 : 422, isWhole ? undefined : 'configuration_mistaken']);
      expect((await admin.run('a')).stdout).toBe(`${catalogue.version} ${catalogue.version} ${catalogue.version}\n`);
      results[isWhole ? 'whole' : 'mistaken']++;
    }
    goesOn = false;
    await Promise.all(callers);
    expect(load.failures).toEqual([]);
    expect(load.requests).toBeGreaterThan(RELOADS);
    expect(Math.min(results.whole, results.mistaken)).toBeGreaterThan(RELOADS / 4);
    expect((await admin.get('/audit/verify')).body).toMatchObject({ ok: true });
    expect(await server.end('SIGTERM')).toMatchObject({ code: 0 });
    expect(server.log().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
  }, 120_000);
});
