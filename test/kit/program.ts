import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { generateKey } from '../../src/auth/key-format.js';
import { childrenOf, commandOf, isAlive } from '../fixtures/fixture.js';
import { eventually } from './eventually.js';
import { Caller, type Declaration } from './gateway.js';
import { COMPILE_CACHE, warmCli } from './warm-cli.js';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

export interface ProgramOptions {
  /** Commands by name: the catalogue of the home. */
  readonly commands?: Readonly<Record<string, Declaration>>;
  /** The whole environment beside PATH and what every home has; undefined takes a name out. */
  readonly settings?: Readonly<Record<string, string | undefined>>;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const homes = new Set<ProgramHome>();

/** A working directory for the compiled program as a user starts it: settings, catalogue and data of its own. */
export function programHome(options: ProgramOptions = {}): ProgramHome {
  const home = new ProgramHome(options);
  homes.add(home);
  return home;
}

/** Kills what a test left running and removes the folders. */
export async function removeHomes(): Promise<void> {
  for (const home of homes) await home.remove();
  homes.clear();
}

export class ProgramHome {
  readonly folder = mkdtempSync(join(tmpdir(), 'sallyport-home-'));
  readonly dataDir = join(this.folder, 'data');
  /** An admin key that the first start puts into the empty store. */
  readonly adminKey = generateKey().text;
  private readonly programs = new Set<Program>();

  constructor(private readonly options: ProgramOptions) {
    mkdirSync(join(this.folder, 'commands'));
    this.declare(options.commands ?? {});
  }

  /** Replaces the catalogue. */
  declare(commands: Readonly<Record<string, Declaration>>): void {
    this.write('commands/test.yaml', stringify({ commands }, { aliasDuplicateObjects: false }));
  }

  /** Writes a file of the working directory. */
  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  /** Starts the program with these arguments; `under` is put before it: a tracer, or what else becomes the program or starts it. */
  start(args: readonly string[], settings: ProgramOptions['settings'] = {}, under: readonly string[] = []): Program {
    const [file = '', ...argv] = [...under, process.execPath, MAIN, ...args];
    const options: SpawnOptions = { cwd: this.folder, env: this.environment(settings), stdio: ['ignore', 'pipe', 'pipe'] };
    const program = new Program(spawn(file, argv, options), under[0] === 'strace');
    this.programs.add(program);
    return program;
  }

  private environment(settings: ProgramOptions['settings'] = {}): Record<string, string> {
    const environment = {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      PORT: '0',
      ADMIN_KEY: this.adminKey,
      RATE_LIMIT_ENABLED: 'false',
      KILL_GRACE: '300ms',
      // The start-up self-test takes a while; tests of containment ask for it.
      SANDBOX: 'off',
      LOG_FORMAT: 'json',
      ...this.options.settings,
      ...settings,
    };
    return Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
  }

  /** Runs the program to its end. */
  async run(args: readonly string[], settings: ProgramOptions['settings'] = {}): Promise<Finished> {
    return this.start(args, settings).finished;
  }

  /** The same, by a process that is kept (`stopWarmCli`): for the many command lines of which it does not matter that they have one of their own. */
  async say(args: readonly string[], settings: ProgramOptions['settings'] = {}): Promise<Finished> {
    return warmCli().run({ argv: args, cwd: this.folder, env: this.environment(settings) });
  }

  /** Starts a server and waits until it listens. */
  async serve(settings: ProgramOptions['settings'] = {}, under: readonly string[] = []): Promise<Program> {
    const program = this.start(['serve'], settings, under);
    await program.url();
    return program;
  }

  /** Ends what is running. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.programs].map((program) => program.end('SIGKILL')));
  }

  async remove(): Promise<void> {
    await this.stopAll();
    // Executor hosts of a killed gateway need a moment to go.
    await eventually(() => (rmSync(this.folder, { recursive: true, force: true }), true));
  }
}

export class Program {
  stdout = '';
  stderr = '';
  private tracee: number | undefined;
  readonly finished: Promise<Finished>;

  /** @param traced `child` is a tracer, and the program its only child */
  constructor(
    private readonly child: ChildProcess,
    private readonly traced = false,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => void (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => void (this.stderr += text));
    this.finished = once(child, 'close').then(() => ({
      code: child.exitCode,
      signal: child.signalCode,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  /** NaN before it runs. */
  get pid(): number {
    return (this.traced ? this.traceePid() : this.child.pid) ?? NaN;
  }

  /** A tracer outlives it by a moment. */
  get hasEnded(): boolean {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return true;
    return this.traced && Number.isFinite(this.pid) && !isAlive(this.pid);
  }

  /** Where it listens, once its log has said so. */
  async url(): Promise<string> {
    const told = () => this.log().find(({ message }) => message === 'listening')?.['url'];
    await eventually(() => told() !== undefined || this.hasEnded, 30_000);
    const url = told();
    if (typeof url !== 'string') throw new Error(`the program does not listen: ${this.stdout}${this.stderr}`);
    return url;
  }

  /** A tracer forks other children of its own while it makes itself ready. */
  private traceePid(): number | undefined {
    this.tracee ??= childrenOf(this.child.pid ?? NaN).find((pid) => commandOf(pid) === process.execPath);
    return this.tracee;
  }

  /** Its log so far; what is printed for people is left out. */
  log(): Record<string, unknown>[] {
    return this.stdout
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** What its log says beside what is usual; that this host does not contain programs is told at every start. */
  complaints(): Record<string, unknown>[] {
    return this.log().filter(({ level, message }) => level !== 'info' && !String(message).startsWith('not contained: '));
  }

  async as(key: string): Promise<Caller> {
    return new Caller(await this.url(), key);
  }

  /** Does nothing when it has ended. */
  kill(signal: NodeJS.Signals): void {
    const { pid } = this;
    if (!this.traced) this.child.kill(signal);
    else if (isAlive(pid)) process.kill(pid, signal);
  }

  /** Sends the signal, unless it has ended, and waits for its end. */
  end(signal: NodeJS.Signals): Promise<Finished> {
    if (!this.hasEnded) this.kill(signal);
    return this.finished;
  }
}
