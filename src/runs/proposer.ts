import { z } from 'zod';
import { mayRun } from '../auth/permissions.js';
import type { TokenBudgets } from '../auth/token-budgets.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { CompiledCommand } from '../commands/command-compiler.js';
import type { Db } from '../domain/db.js';
import { GatewayError, type Proposal } from '../domain/errors.js';
import type { ChatMessage } from '../domain/llm.js';
import type { Principal } from '../domain/principal.js';
import { delimitersFor } from '../llm/delimited.js';
import type { LlmClient } from '../llm/llm-client.js';
import { estimatedTokens } from '../llm/token-estimate.js';
import type { PlanBook } from './plan-book.js';
import type { PlanService } from './plan.service.js';
import { resolveCommand } from './resolve-command.js';
import type { RunOrigin, RunWalk } from './run-walk.js';

export interface ProposerRooms {
  readonly llm: LlmClient;
  readonly plans: PlanService;
  readonly catalogue: Catalogue;
  readonly tokens: TokenBudgets;
  readonly db: Db;
  /** Whether an operator wants proposals, and there is a model to make them. */
  readonly isOn: boolean;
}

const PATIENCE_MS = 15_000;
const MOST_COMMANDS = 200;
const MOST_TOKENS = 500;

const choiceSchema = z.object({ command: z.string().nullable(), args: z.record(z.string(), z.unknown()).nullish() });

const SYSTEM = `You choose which one of the commands below a text asks for, and its arguments. Answer with one JSON object and nothing else:
{"command": "name", "args": {}} with arguments that fit the schema of the command, or {"command": null} if none is clearly meant.`;

/** Text that no phrase matches may mean a command all the same: a language model may propose one, and nothing more. It runs nothing. */
export class Proposer {
  constructor(private readonly rooms: ProposerRooms) {}

  /**
   * The step `resolve`: {@link resolveCommand}, and where that finds nothing a proposal along with its refusal.
   * @throws GatewayError as that does
   */
  resolve(walk: RunWalk, plans: PlanBook): void | Promise<never> {
    try {
      resolveCommand(walk, this.rooms.catalogue, plans);
    } catch (error) {
      const { text } = walk.request;
      if (!this.rooms.isOn || text === undefined || !(error instanceof GatewayError) || error.code !== 'command_unknown') throw error;
      return this.refuseWithProposal(text, walk.origin, error);
    }
  }

  private async refuseWithProposal(text: string, origin: RunOrigin, refusal: GatewayError): Promise<never> {
    const proposal = await this.propose(text, origin);
    if (!proposal) throw refusal;
    throw new GatewayError('command_unknown', `${refusal.message} A proposal is attached; nothing was run.`, { proposal });
  }

  /** Undefined where the model names nothing that the key may run with arguments that are as declared, or where a rule denies it. */
  private async propose(text: string, origin: RunOrigin): Promise<Proposal | undefined> {
    const known = this.rooms.catalogue.all().filter((command) => mayRun(origin.principal, command) === 'allowed' && isAtHand(command));
    if (known.length === 0) return undefined;
    const choice = await this.askWithin(origin.principal, questionFor(text, known.slice(0, MOST_COMMANDS)));
    if (!choice || !known.some(({ name }) => name === choice.command)) return undefined;
    try {
      const plan = await this.rooms.plans.plan(choice, { ...origin, idempotencyKey: undefined });
      return plan.planId === null ? undefined : { command: plan.command, args: plan.args, planId: plan.planId };
    } catch (error) {
      // What cannot be run is no proposal. Faults of ours are told.
      if (error instanceof GatewayError && error.status < 500) return undefined;
      throw error;
    }
  }

  /** Undefined where nothing is left of the key's tokens too. */
  private async askWithin(principal: Principal, messages: readonly ChatMessage[]): Promise<Choice | undefined> {
    const { tokens, db } = this.rooms;
    const claiming = tokens.claim(principal, estimatedTokens(messages.map(({ content }) => content)) + MOST_TOKENS);
    if (!claiming) return (await this.ask(messages)).choice;
    const claim = await claiming.catch(ifUsedUp);
    if (!claim) return undefined;
    try {
      const { choice, counted } = await this.ask(messages);
      await db.commit(claim.writes(counted));
      claim.spend(counted);
      return choice;
    } finally {
      claim.release();
    }
  }

  private async ask(messages: readonly ChatMessage[]): Promise<{ readonly choice: Choice | undefined; readonly counted: number }> {
    const options = { signal: AbortSignal.timeout(PATIENCE_MS) };
    const end = await this.rooms.llm.chat({ messages, maxTokens: MOST_TOKENS, temperature: 0 }, options);
    return { choice: end.kind === 'answered' ? choiceIn(end.text) : undefined, counted: end.usage.counted };
  }
}

interface Choice {
  readonly command: string;
  readonly args: unknown;
}

function ifUsedUp(error: unknown): undefined {
  if (!(error instanceof GatewayError) || error.code !== 'budget_used_up') throw error;
}

function questionFor(text: string, commands: readonly CompiledCommand[]): readonly ChatMessage[] {
  const { rule, around } = delimitersFor([['text', text]]);
  const list = commands.map(({ name, summary, argumentsSchema }) => JSON.stringify({ command: name, summary, args: argumentsSchema }));
  return [
    { role: 'system', content: `${SYSTEM}\n\n${rule}\n\n${list.join('\n')}` },
    { role: 'user', content: around('text', text) },
  ];
}

function isAtHand({ unavailable }: CompiledCommand): boolean {
  return unavailable === null;
}

/** The object in the text of an answer: models like to put words or a fence around it. */
function choiceIn(text: string): Choice | undefined {
  try {
    const { command, args } = choiceSchema.parse(JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)));
    return command === null ? undefined : { command, args: args ?? {} };
  } catch {
    return undefined;
  }
}
