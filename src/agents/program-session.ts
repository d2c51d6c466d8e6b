import type { AgentFraming } from '../domain/agent-rules.js';
import type { Invocation } from '../domain/command.js';
import { ENDED_BEFORE_START, type ExecutionContext, type ExecutionEnd, type Executor } from '../domain/executor.js';
import type { AbortCause, OutputStream } from '../domain/run.js';
import { CappedWriter } from '../executors/capped-writer.js';
import { encodeInstruction, readLine } from './framing.js';
import { InstructionPipe } from './instruction-pipe.js';
import { LineReader } from './line-reader.js';
import { Session, type SessionEnd } from './session.js';

export interface ProgramSessionOptions {
  readonly framing: AgentFraming;
  onMalformed(): void;
  /** The program is gone, and everything that it started. */
  onEnd(end: SessionEnd): void;
}

/** The instruction under way. */
interface Exchange {
  readonly context: ExecutionContext;
  readonly writer: CappedWriter;
  resolve(end: ExecutionEnd): void;
}

/** A program that writes so many times what an answer may have, without an instruction's end or beginning in between, is ended. */
const FLOOD_FACTOR = 16;
/** JSON writes one byte as six at most; the rest is for the other members of an answer. */
const JSON_GROWTH = 6;
const JSON_MEMBERS = 4_096;
const ANSWERED: ExecutionEnd = { kind: 'exited', code: 0 };
const FAILED: ExecutionEnd = { kind: 'exited', code: 1 };

/**
 * One program that stays, and what is said to it: carries out the run that it is, and the instructions one by one. What it writes outside
 * of instructions is the output of its own run.
 */
export class ProgramSession extends Session {
  override readonly kind = 'process';
  private readonly pipe = new InstructionPipe();
  private current: Exchange | undefined;
  private noise: CappedWriter | undefined;
  /** Bytes since an instruction began or ended. */
  private written = 0;
  private gaveUp = false;
  private over = false;

  /** @param programs carries out its command */
  constructor(
    private readonly programs: Executor,
    private readonly options: ProgramSessionOptions,
  ) {
    super();
  }

  override get isOver(): boolean {
    return this.over;
  }

  override expectedTokens(): null {
    return null;
  }

  override async execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd> {
    this.noise = new CappedWriter(context);
    const readers = this.readersFor(context);
    let end: ExecutionEnd = { kind: 'failed_to_start', reason: 'the program could not be started' };
    try {
      end = await this.programs.execute(invocation, {
        ...context,
        input: this.pipe,
        outputBytes: Number.MAX_SAFE_INTEGER,
        onOutput: (stream, data) => this.take(readers[stream], data, context),
        onTruncated: () => undefined,
      });
      for (const reader of Object.values(readers)) reader.end();
      return end;
    } finally {
      this.finish(end, context.signal.aborted);
    }
  }

  override async instruct(text: string, context: ExecutionContext): Promise<ExecutionEnd> {
    if (context.signal.aborted || this.over) return ENDED_BEFORE_START;
    const { promise, resolve } = Promise.withResolvers<ExecutionEnd>();
    const exchange: Exchange = { context, writer: new CappedWriter(context), resolve };
    const giveUp = () => this.giveUp(exchange);
    context.signal.addEventListener('abort', giveUp, { once: true });
    this.current = exchange;
    this.written = 0;
    this.pipe.write(encodeInstruction(this.options.framing, context.runId, text));
    try {
      return await promise;
    } finally {
      context.signal.removeEventListener('abort', giveUp);
    }
  }

  /** Without ids nobody can tell a late answer from the next one, and what takes too long may do so for ever: the program goes. */
  private giveUp(exchange: Exchange): void {
    const cause = exchange.context.signal.reason as AbortCause;
    if (this.options.framing.kind === 'json' && cause.kind === 'cancelled') return this.conclude(exchange, FAILED);
    this.gaveUp = true;
    this.stop(cause);
  }

  private readersFor({ outputBytes }: ExecutionContext): Readonly<Record<OutputStream, LineReader<Exchange | undefined>>> {
    const isJson = this.options.framing.kind === 'json';
    const longest = isJson ? outputBytes * JSON_GROWTH + JSON_MEMBERS : outputBytes;
    const owner = () => this.current;
    return {
      stdout: new LineReader(longest, owner, (begun, data, isWhole) => this.read(begun, data, isWhole)),
      stderr: new LineReader(0, owner, (begun, data) => this.writerOf(begun)?.write('stderr', data)),
    };
  }

  private take(reader: LineReader<Exchange | undefined>, data: Buffer, { outputBytes }: ExecutionContext): void {
    this.written += data.length;
    if (this.written > outputBytes * FLOOD_FACTOR) return this.stop({ kind: 'cancelled', by: 'flood' });
    reader.push(data);
  }

  /** @param begun the instruction that was under way when the line began */
  private read(begun: Exchange | undefined, data: Buffer, isWhole: boolean): void {
    // By ids a line in JSON says itself whose it is; another one is only of the instruction that it began under.
    const { framing } = this.options;
    const exchange = framing.kind === 'json' || begun === this.current ? this.current : undefined;
    const reading = readLine(framing, exchange?.context.runId, data, isWhole);
    switch (reading.kind) {
      case 'noise':
        return this.noise?.write('stdout', data);
      case 'malformed':
        // Of a line in pieces the last one counts.
        if (isWhole || data.at(-1) === 10) this.options.onMalformed();
        return this.writerOf(begun)?.write('stderr', data);
      case 'failure':
        exchange?.writer.write('stderr', reading.error);
        return exchange && this.conclude(exchange, FAILED);
      case 'answer':
        exchange?.writer.write('stdout', reading.output);
        if (exchange && reading.isEnd) this.conclude(exchange, ANSWERED);
    }
  }

  private writerOf(begun: Exchange | undefined): CappedWriter | undefined {
    return begun && begun === this.current ? begun.writer : this.noise;
  }

  private conclude(exchange: Exchange, end: ExecutionEnd): void {
    if (this.current === exchange) this.current = undefined;
    this.written = 0;
    exchange.resolve(end);
  }

  private finish(end: ExecutionEnd, isAborted: boolean): void {
    this.over = true;
    this.pipe.close();
    this.options.onEnd(this.gaveUp ? 'given_up' : isAborted ? 'outside' : 'itself');
    // A program that ends well in the middle of an instruction has not answered it: what came of that is unknown.
    if (this.current) this.conclude(this.current, end.kind === 'exited' && end.code === 0 ? { kind: 'lost' } : end);
  }
}
