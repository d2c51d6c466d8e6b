import type { Agent, AgentId } from '../domain/agent.js';
import type { AgentRules } from '../domain/agent-rules.js';
import type { Command, CommandName } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { ExecutionContext, ExecutionEnd, Executor } from '../domain/executor.js';
import type { Clock, EventBus } from '../domain/ports.js';
import type { Principal } from '../domain/principal.js';
import type { RunOutcome } from '../domain/run.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redaction } from '../redaction/redaction.js';
import { maySeeRun } from '../auth/permissions.js';
import type { RequestOrigin } from '../http/parameters.js';
import type { Ticket } from '../runs/admission.js';
import type { LiveRun } from '../runs/live-run.js';
import { summarise } from '../runs/run-envelope.js';
import type { RunService } from '../runs/run.service.js';
import type { AgentPlaces } from './agent-places.js';
import type { AgentWarden } from './agent-warden.js';
import type { AgentEvent } from './agent-feed.js';
import { presentAgent } from './agent-view.js';
import { type AgentStart, HostedAgent, type Incarnation } from './hosted-agent.js';
import { InstructionExecutor, instructionOf } from './instruction.js';
import { ProgramSession } from './program-session.js';
import type { Session, SessionEnd } from './session.js';
import { ConversationSession } from './conversation-session.js';
import type { ConversationTools } from './conversation-tools.js';

export interface AgentRooms {
  readonly runs: RunService;
  /** Carries out the commands of agents that are programs. */
  readonly programs: Executor;
  readonly conversations: ConversationTools;
  readonly places: AgentPlaces;
  readonly warden: AgentWarden;
  readonly redaction: Redaction;
  readonly events: EventBus;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** A session that is about to begin. */
interface Planned {
  readonly command: Command;
  readonly rules: AgentRules;
  readonly session: Session;
}

const NO_SLOT: Ticket = { immediate: true, granted: Promise.resolve(true), release: () => undefined };
/** Ended agents that are remembered, so that whoever asks learns how they ended. */
const MOST_ENDED = 200;

/** Agents of this process. Their programs, and whatever they are told, are runs: the path decides about each, and records it. */
export class AgentService {
  private readonly agents = new Map<AgentId, HostedAgent>();
  private readonly following = new Map<AgentId, Set<Promise<void>>>();
  private isDraining = false;

  constructor(private readonly rooms: AgentRooms) {
    rooms.runs.onDrain(() => {
      this.isDraining = true;
      for (const agent of this.agents.values()) agent.endWhenFree({ kind: 'cancelled', by: 'shutdown' });
    });
    rooms.metrics.showEach(rooms.metrics.agentsActive, () => this.activeByCommand());
  }

  /** @throws GatewayError the refusal of its run, by whichever step; `invalid_request` for a command that is no agent; `busy` */
  async start(start: AgentStart, origin: RequestOrigin): Promise<Agent> {
    const agent = new HostedAgent(start, origin.principal, this.rooms.clock, (ended) => void this.settle(ended));
    await this.launch(agent, origin);
    this.agents.set(agent.id, agent);
    this.rooms.warden.watch(() => [...this.agents.values()]);
    this.rooms.events.publish('agent.started', { agent: agent.view });
    return agent.view;
  }

  /**
   * Gives an agent an instruction; resolves when the run that this is has been recorded and is on its way.
   * @throws GatewayError `agent_unknown`, `agent_busy`, `agent_dead`, and the refusals of every run
   */
  async dispatch(id: AgentId, instruction: string, origin: RequestOrigin): Promise<LiveRun> {
    const agent = this.hosted(origin.principal, id);
    const live = await this.rooms.runs.start(
      {
        command: agent.start.command,
        args: { agent: id, instruction },
        via: {
          as: (command) => instructionOf(command, agent.incarnation, this.rooms.redaction),
          pinnable: () => agent.incarnation.args,
          executor: () => new InstructionExecutor((text, context) => this.instruct(agent, text, { context, origin })),
          // Its tools take slots: it would keep them from those that it waits for.
          claim: (slot) => agent.seat(agent.incarnation.session.kind === 'llm' ? () => NO_SLOT : slot),
        },
      },
      origin,
    );
    if (live.isReplay) return live;
    agent.instruction = live;
    this.follow(agent, live, 'instruction');
    return live;
  }

  /** Newest first. */
  list(principal: Principal): readonly Agent[] {
    const visible = [...this.agents.values()].filter(({ principalId }) => maySeeRun(principal, { principalId }));
    return visible.map(({ view }) => view).reverse();
  }

  /** @throws GatewayError `agent_unknown` */
  find(principal: Principal, id: AgentId): Agent {
    return this.hosted(principal, id).view;
  }

  /** What has happened to it lately, and what will. @throws GatewayError `agent_unknown` */
  events(principal: Principal, id: AgentId, afterId: number): AsyncGenerator<AgentEvent, void, undefined> {
    return this.hosted(principal, id).feed.follow(afterId);
  }

  /** Ends it, with what it is doing, and forgets it. Resolves when nothing is left of it. @throws GatewayError `agent_unknown` */
  async remove(principal: Principal, id: AgentId): Promise<Agent> {
    const agent = this.hosted(principal, id);
    agent.end({ kind: 'cancelled', by: principal.id });
    await this.followed(id);
    this.forget(agent);
    return agent.view;
  }

  private hosted(principal: Principal, id: AgentId): HostedAgent {
    const agent = this.agents.get(id);
    if (!agent || !maySeeRun(principal, agent)) throw new GatewayError('agent_unknown', 'There is no agent of this id.');
    return agent;
  }

  /** Starts its program as a run of its own. */
  private async launch(agent: HostedAgent, origin: RequestOrigin): Promise<void> {
    const { runs, places } = this.rooms;
    let made: Planned | undefined;
    const planned = () => made ?? notPlanned();
    let prepared: Pick<Incarnation, 'args' | 'secrets'> = { args: undefined, secrets: [] };
    const live = await runs.start(
      {
        ...agent.start,
        via: {
          as: (command) => {
            made = this.plan(agent, command);
            return {
              ...command,
              timeoutMs: made.rules.lifeMs,
              prepare: async (args) => {
                const preparation = await command.prepare(args);
                prepared = { args, secrets: preparation.secrets };
                return preparation;
              },
            };
          },
          executor: () => planned().session,
          claim: () => places.claim(planned().command, planned().rules, origin.principal.id),
        },
      },
      // The name that the caller gave its request is that of an instruction's run, or of nothing.
      { ...origin, idempotencyKey: undefined },
    );
    agent.embody({ session: planned().session, live, rules: planned().rules, ...prepared });
    if (this.isDraining) agent.endWhenFree({ kind: 'cancelled', by: 'shutdown' });
    agent.feed.publish('agent.started', presentAgent(agent.view));
    this.follow(agent, live, 'session');
  }

  private plan(agent: HostedAgent, command: Command): Planned {
    const { agent: rules } = command;
    if (!rules) throw new GatewayError('invalid_request', 'This command is no agent: it is run with POST /run.');
    return { command, rules, session: this.sessionOf(agent, command.name, rules) };
  }

  private sessionOf(agent: HostedAgent, command: CommandName, { framing }: AgentRules): Session {
    const { programs, conversations, metrics } = this.rooms;
    const onEnd = (end: SessionEnd) => agent.disembody(end);
    if (framing.kind === 'conversation') return new ConversationSession(conversations, framing, agent.principalId, onEnd);
    const onMalformed = () => {
      agent.malformedLines += 1;
      metrics.agentMalformedLines.inc({ command });
    };
    return new ProgramSession(programs, { framing, onMalformed, onEnd });
  }

  private async instruct(
    agent: HostedAgent,
    text: string,
    { context, origin }: { readonly context: ExecutionContext; readonly origin: RequestOrigin },
  ): Promise<ExecutionEnd> {
    // It may have ended while this waited for a slot.
    agent.assertGoesOn();
    if (agent.incarnation.session.isOver) await this.launch(agent, origin);
    return agent.incarnation.session.instruct(text, context, origin);
  }

  /** Tells whoever looks at the agent of one of its runs, and counts how it ended. */
  private follow(agent: HostedAgent, live: LiveRun, what: 'session' | 'instruction'): void {
    const all = this.following.get(agent.id) ?? new Set();
    this.following.set(agent.id, all);
    const followed = this.tell(agent, live, what).then(() => {
      all.delete(followed);
      return what === 'session' ? this.settle(agent) : undefined;
    });
    all.add(followed);
  }

  private async tell(agent: HostedAgent, live: LiveRun, what: 'session' | 'instruction'): Promise<void> {
    const { feed, start } = agent;
    try {
      for await (const event of live.events()) {
        if (event.kind === 'output') feed.publish('output', { runId: live.run.id, ...event.chunk });
        else if (what === 'instruction' && event.kind === 'started') feed.publish('instruction.started', summarise(event.run));
        else if (what === 'instruction' && event.kind === 'finished') feed.publish('instruction.finished', summarise(event.run));
      }
    } catch {
      // Its end is not recorded yet, and the path has told that.
    }
    const outcome: RunOutcome['kind'] = live.run.outcome?.kind ?? 'lost';
    const { agentSessions, agentInstructions } = this.rooms.metrics;
    (what === 'session' ? agentSessions : agentInstructions).inc({ command: start.command, outcome });
  }

  /** A program is gone: for good, or until the next instruction. */
  private async settle(agent: HostedAgent): Promise<void> {
    if (!agent.isEnded) {
      if (agent.incarnation.session.isOver) agent.feed.publish('agent.stopped', presentAgent(agent.view));
      return;
    }
    if (agent.isSettled) return;
    agent.isSettled = true;
    await this.followed(agent.id);
    agent.feed.publish('agent.ended', presentAgent(agent.view));
    agent.feed.close();
    this.rooms.events.publish('agent.ended', { agent: agent.view });
    this.keepFew();
  }

  /** Resolves when what it is doing has come to an end, and that was told. */
  private async followed(id: AgentId): Promise<void> {
    for (const one of this.following.get(id) ?? []) await one;
  }

  private keepFew(): void {
    const ended = [...this.agents.values()].filter(({ isEnded }) => isEnded);
    for (const agent of ended.slice(0, Math.max(0, ended.length - MOST_ENDED))) this.forget(agent);
  }

  private forget(agent: HostedAgent): void {
    this.agents.delete(agent.id);
    this.following.delete(agent.id);
  }

  private activeByCommand(): (readonly [{ readonly command: string }, number])[] {
    const counts = new Map<string, number>();
    for (const { start, isEnded } of this.agents.values()) if (!isEnded) counts.set(start.command, (counts.get(start.command) ?? 0) + 1);
    return [...counts].map(([command, count]) => [{ command }, count]);
  }
}

function notPlanned(): never {
  throw new GatewayError('internal', 'The run of an agent was not planned.');
}
