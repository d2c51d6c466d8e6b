import type { Agent, AgentId, AgentState } from '../domain/agent.js';
import type { AgentRules } from '../domain/agent-rules.js';
import type { CommandName } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { Principal, PrincipalId } from '../domain/principal.js';
import type { AbortCause, RunOutcome } from '../domain/run.js';
import type { Ticket } from '../runs/admission.js';
import type { LiveRun } from '../runs/live-run.js';
import { newId } from '../http/request-context.js';
import { AgentFeed } from './agent-feed.js';
import type { Session, SessionEnd } from './session.js';

/** What it was started with: enough to start it anew. */
export interface AgentStart {
  readonly command: CommandName;
  readonly args: unknown;
}

/** The program or conversation of an agent at the moment, and what it was started as. */
export interface Incarnation {
  readonly session: Session;
  readonly live: LiveRun;
  readonly rules: AgentRules;
  /** As they were given, pins filled in. */
  readonly args: unknown;
  /** Exact secret values that it was given. */
  readonly secrets: readonly string[];
}

/** An agent from its start to its end: who has it, whether it is at work, when it has idled long enough. */
export class HostedAgent {
  readonly id: AgentId = newId('agt');
  readonly feed = new AgentFeed();
  readonly startedAt: string;
  instructions = 0;
  restarts = 0;
  malformedLines = 0;
  /** The last one that it was given. */
  instruction: LiveRun | undefined;
  /** Its end was told. */
  isSettled = false;
  private lastUsedAt: string;
  private now: Incarnation | undefined;
  private isBusy = false;
  private cause: AbortCause | undefined;
  private lastEnd: SessionEnd | undefined;
  private idling: NodeJS.Timeout | undefined;

  constructor(
    readonly start: AgentStart,
    /** Who started it. */
    readonly holder: Principal,
    private readonly clock: Clock,
    /** Told when it ends for good while it has no program. */
    private readonly onEnded: (agent: HostedAgent) => void,
  ) {
    this.startedAt = this.lastUsedAt = clock.now();
  }

  get principalId(): PrincipalId {
    return this.holder.id;
  }

  /** Its program. Only agents that have one are shown to anybody. */
  get incarnation(): Incarnation {
    if (!this.now) throw new GatewayError('internal', 'The agent was never started.');
    return this.now;
  }

  get state(): AgentState {
    if (this.isEnded) return 'ended';
    if (this.isBusy) return 'busy';
    return this.incarnation.session.isOver ? 'stopped' : 'ready';
  }

  /** For good. */
  get isEnded(): boolean {
    if (!this.incarnation.session.isOver) return false;
    return this.cause !== undefined || this.lastEnd === 'outside' || !this.incarnation.rules.restart;
  }

  get outcome(): RunOutcome | null {
    return this.incarnation.live.run.outcome;
  }

  get view(): Agent {
    const { live } = this.incarnation;
    return {
      id: this.id,
      command: this.start.command,
      principalId: this.principalId,
      args: live.run.args,
      state: this.state,
      runId: live.run.id,
      outcome: this.outcome,
      startedAt: this.startedAt,
      lastUsedAt: this.lastUsedAt,
      instructions: this.instructions,
      restarts: this.restarts,
      malformedLines: this.malformedLines,
    };
  }

  /** It has a program, the first one or another. */
  embody(incarnation: Incarnation): void {
    if (this.now) this.restarts += 1;
    this.lastEnd = undefined;
    this.now = incarnation;
    incarnation.session.attach(incarnation.live);
    if (this.cause) incarnation.session.stop(this.cause);
    if (!this.isBusy) this.idle();
  }

  /** Its program is gone. */
  disembody(end: SessionEnd): void {
    this.lastEnd = end;
  }

  /**
   * Takes its one seat and, with it, a slot among the runs.
   * @throws GatewayError `agent_dead`, `agent_busy`, whatever `slot` refuses with
   */
  seat(slot: () => Ticket): Ticket {
    if (this.isEnded || this.cause) throw this.death();
    if (this.isBusy)
      throw new GatewayError('agent_busy', 'The agent takes one instruction at a time: wait for the other one to end.', {
        retryAfterSeconds: 1,
      });
    const ticket = slot();
    this.isBusy = true;
    clearTimeout(this.idling);
    this.instructions += 1;
    let isLeft = false;
    return {
      immediate: ticket.immediate,
      granted: ticket.granted,
      release: () => {
        ticket.release();
        if (!isLeft) this.leave();
        isLeft = true;
      },
    };
  }

  /** Whoever has its seat may go on. @throws GatewayError `agent_dead` */
  assertGoesOn(): void {
    if (this.isEnded) throw this.death();
  }

  private death(): GatewayError {
    const { outcome } = this;
    const how = outcome ? howItEnded(outcome) : 'it is being ended';
    return new GatewayError('agent_dead', `The agent takes no more instructions: ${how}.`, { runId: this.incarnation.live.run.id });
  }

  /** Ends it for good; the first cause counts. */
  end(cause: AbortCause): void {
    const hadStopped = !this.isEnded && this.incarnation.session.isOver;
    this.cause ??= cause;
    clearTimeout(this.idling);
    this.instruction?.abort(cause);
    this.incarnation.session.stop(cause);
    if (hadStopped) this.onEnded(this);
  }

  /** Ends it for good, but lets it answer what it was told. */
  endWhenFree(cause: AbortCause): void {
    if (this.isBusy) this.cause ??= cause;
    else this.end(cause);
  }

  private leave(): void {
    this.isBusy = false;
    this.lastUsedAt = this.clock.now();
    if (this.cause) this.end(this.cause);
    else this.idle();
  }

  private idle(): void {
    const { idleMs } = this.incarnation.rules;
    clearTimeout(this.idling);
    this.idling = setTimeout(() => this.end({ kind: 'timed_out', afterMs: idleMs }), idleMs).unref();
  }
}

function howItEnded(outcome: RunOutcome): string {
  switch (outcome.kind) {
    case 'exited':
      return `its program ended with ${outcome.signal ?? `exit code ${outcome.code}`}`;
    case 'timed_out':
      return `its time was up after ${outcome.afterMs} ms`;
    case 'cancelled':
      if (outcome.by === 'key_ended') return 'the key that it was started with has ended';
      return outcome.by === 'flood' ? 'its program wrote without end' : 'it was ended';
    case 'rejected':
    case 'failed_to_start':
    case 'answered':
    case 'unanswered':
      return 'its program could not be started';
    case 'lost':
      return 'its program was lost';
  }
}
