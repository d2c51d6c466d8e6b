import { Module, type Provider } from '@nestjs/common';
import type { Settings } from '../config/settings.schema.js';
import { Clock, EventBus } from '../domain/ports.js';
import { ProcessExecutor } from '../executors/process.executor.js';
import { Metrics } from '../metrics/metrics.js';
import { Redaction } from '../redaction/redaction.js';
import { RunService } from '../runs/run.service.js';
import { RunsModule } from '../runs/runs.module.js';
import { AuthObserver } from '../auth/auth-observer.js';
import { Authenticator } from '../auth/authenticator.js';
import { Catalogue } from '../commands/catalogue.js';
import { LlmClient } from '../llm/llm-client.js';
import { AgentPlaces } from './agent-places.js';
import { AgentProbe } from './agent.probe.js';
import { AgentWarden } from './agent-warden.js';
import { ConversationTools } from './conversation-tools.js';
import { AgentService } from './agent.service.js';
import { AgentsController } from './agents.controller.js';

/** Agents and their doors. Expects the ports, {@link ProcessExecutor} and {@link AgentPlaces} from global modules. */
@Module({
  imports: [RunsModule],
  controllers: [AgentsController],
  providers: [
    {
      provide: AgentWarden,
      inject: [Authenticator, AuthObserver],
      useFactory: (authenticator: Authenticator, observer: AuthObserver) => new AgentWarden(authenticator, observer),
    },
    {
      provide: ConversationTools,
      inject: [LlmClient, RunService, Catalogue],
      useFactory: (llm: LlmClient, runs: RunService, catalogue: Catalogue) => new ConversationTools(llm, runs, catalogue),
    },
    {
      provide: AgentService,
      inject: [RunService, ProcessExecutor, ConversationTools, AgentPlaces, AgentWarden, Redaction, EventBus, Metrics, Clock],
      useFactory: (
        ...[runs, programs, conversations, places, warden, redaction, events, metrics, clock]: [
          RunService,
          ProcessExecutor,
          ConversationTools,
          AgentPlaces,
          AgentWarden,
          Redaction,
          EventBus,
          Metrics,
          Clock,
        ]
      ) => new AgentService({ runs, programs, conversations, places, warden, redaction, events, metrics, clock }),
    },
  ],
})
export class AgentsModule {}

/** How many agents there may be, and what health tells of them: global, since health asks for it. */
export function agentPlaces(settings: Settings): Provider[] {
  return [
    {
      provide: AgentPlaces,
      useFactory: () =>
        new AgentPlaces({
          get total() {
            return settings.MAX_AGENTS;
          },
        }),
    },
    { provide: AgentProbe, inject: [AgentPlaces], useFactory: (places: AgentPlaces) => new AgentProbe(places) },
  ];
}
