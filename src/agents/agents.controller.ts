import { Body, Controller, Delete, Get, Header, Headers, HttpCode, Inject, Param, Post, StreamableFile } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { GatewayError } from '../domain/errors.js';
import type { Principal } from '../domain/principal.js';
import { Answer } from '../http/answer.js';
import { Caller, type ClientConnection, Connection, Origin, type RequestOrigin } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { type RunEnvelope, runEnvelopeSchema } from '../runs/run-envelope.js';
import { RunHistory } from '../runs/run-history.js';
import { commandRequestSchema, type RunRequest } from '../runs/run-request.js';
import { eventStream, framedStream, UNBUFFERED } from '../runs/run-stream.js';
import { frameOf } from './agent-feed.js';
import { AgentService } from './agent.service.js';
import { agentListSchema, agentSchema, type AgentView, presentAgent } from './agent-view.js';

const agentId = z
  .string()
  .min(1)
  .max(64)
  .meta({ description: 'Id of an agent', examples: ['agt_0199a1b2c3d47e5f8a9b0c1d2e3f4a5b'] });
const instructionSchema = z
  .strictObject({
    instruction: z
      .string()
      .min(1)
      .max(1024 ** 2)
      .meta({ description: 'What the agent is to do; one line where it reads line by line', examples: ['add 2 3'] }),
  })
  .meta({ id: 'AgentInstruction' });

/** Sessions that take many instructions. Callers see their own; admins all. */
@ApiTags('agents')
@Controller('agents')
export class AgentsController {
  constructor(
    @Inject(AgentService) private readonly agents: AgentService,
    @Inject(RunHistory) private readonly history: RunHistory,
  ) {}

  @Post()
  @Requires('operator')
  @ApiOperation({ summary: 'Start an agent', description: 'Its program is a run of the command, which ends when the agent does.' })
  @ApiResponse({ status: 201, description: 'It takes instructions', standardSchema: agentSchema })
  async start(
    @Body(checked(commandRequestSchema)) { command = '', args }: RunRequest,
    @Origin() origin: RequestOrigin,
  ): Promise<Answer<AgentView>> {
    const agent = presentAgent(await this.agents.start({ command, args }, origin));
    return new Answer(201, agent, { location: `/agents/${agent.id}` });
  }

  @Get()
  @Requires('operator')
  @ApiOperation({ summary: 'Agents, newest first; the last of those that have ended too' })
  @ApiOkResponse({ standardSchema: agentListSchema })
  list(@Caller() principal: Principal): z.output<typeof agentListSchema> {
    return { items: this.agents.list(principal).map(presentAgent), nextCursor: null };
  }

  @Get(':id')
  @Requires('operator')
  @ApiOperation({ summary: 'One agent' })
  @ApiOkResponse({ standardSchema: agentSchema })
  get(@Param('id', checked(agentId)) id: string, @Caller() principal: Principal): AgentView {
    return presentAgent(this.agents.find(principal, id));
  }

  @Post(':id/command')
  @HttpCode(200)
  @Requires('operator')
  @Header(...UNBUFFERED)
  @ApiOperation({
    summary: 'Give an agent an instruction, and wait for its answer or stream it',
    description: 'Each instruction is a run: its answer is the output of that. An agent takes one at a time.',
  })
  @ApiResponse({ status: 200, description: 'The run of the instruction, however it ended', standardSchema: runEnvelopeSchema })
  @ApiHeader({ name: 'Accept', required: false, description: 'text/event-stream: the events of the run as they come' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'As for `POST /run`: the same instruction is given once' })
  @ApiProduces('application/json', 'text/event-stream')
  async command(
    @Param('id', checked(agentId)) id: string,
    @Body(checked(instructionSchema)) { instruction }: z.output<typeof instructionSchema>,
    @Headers('accept') accept: string | undefined,
    @Origin() origin: RequestOrigin,
    @Connection() connection: ClientConnection,
  ): Promise<RunEnvelope | StreamableFile> {
    const live = await this.agents.dispatch(id, instruction, origin);
    connection.onGone(() => live.abort({ kind: 'cancelled', by: 'client_gone' }));
    if (accept?.includes('text/event-stream')) return eventStream(live.events());
    return this.history.present(await live.finished, live.output);
  }

  @Get(':id/stream')
  @Requires('operator')
  @Header(...UNBUFFERED)
  @ApiOperation({
    summary: 'What an agent does: its instructions, its answers, what else it writes',
    description: 'The last events that are kept, then those to come, until the agent ends.',
  })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Resume after this event' })
  @ApiProduces('text/event-stream')
  stream(
    @Param('id', checked(agentId)) id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Caller() principal: Principal,
  ): StreamableFile {
    if (lastEventId !== undefined && !/^\d{1,15}$/.test(lastEventId))
      throw new GatewayError('invalid_request', 'Last-Event-ID is not the id of an event.');
    return framedStream(this.agents.events(principal, id, Number(lastEventId ?? 0)), frameOf);
  }

  @Delete(':id')
  @Requires('operator')
  @ApiOperation({ summary: 'End an agent and forget it', description: 'Answers when nothing is left of its program.' })
  @ApiOkResponse({ description: 'How it ended', standardSchema: agentSchema })
  async remove(@Param('id', checked(agentId)) id: string, @Caller() principal: Principal): Promise<AgentView> {
    return presentAgent(await this.agents.remove(principal, id));
  }
}
