import { resolve } from 'node:path';
import type { Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import { Catalogue, type CatalogueOptions } from './commands/catalogue.js';
import { CatalogueProbe } from './commands/catalogue.probe.js';
import type { Settings } from './config/settings.schema.js';
import { WriteHealth } from './domain/db.js';
import { ErrorTracker } from './domain/error-tracker.js';
import { Launcher } from './domain/launcher.js';
import { Clock, SecretKey } from './domain/ports.js';
import { Tracer } from './domain/tracing.js';
import { BUILTIN_NAMES, BuiltinExecutor } from './executors/builtin.executor.js';
import { HttpExecutor } from './executors/http.executor.js';
import { KnowledgeExecutor } from './executors/knowledge.executor.js';
import { LlmExecutor } from './executors/llm.executor.js';
import { ObsExecutor } from './executors/obs.executor.js';
import { ProcessExecutor, type ProcessExecutorOptions } from './executors/process.executor.js';
import { KnowledgeBases } from './knowledge/knowledge-bases.js';
import { LlmClient } from './llm/llm-client.js';
import { llmForCatalogue } from './llm.providers.js';
import { ProcessLauncher } from './launcher/process-launcher.js';
import { Metrics } from './metrics/metrics.js';
import { ObsClient, OBS_NOT_CONFIGURED } from './obs/obs-client.js';
import { ObsProbe } from './obs/obs.probe.js';
import type { ObsPlace } from './obs/obs-session.js';
import { ownFiles } from './own-files.js';
import { Redaction } from './redaction/redaction.js';
import { Resilience } from './resilience/resilience.js';
import { RunExecution } from './runs/run-execution.js';
import { SecretService } from './secrets/secret.service.js';
import { privateFolder } from './storage/private-folder.js';

interface ExecutionIngredients {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly catalogueVariable: (name: string) => string | undefined;
  readonly ownsProcess?: boolean;
}

type ExecutionRooms = [Resilience, WriteHealth, Metrics, Clock, Redaction, Tracer];

function ownPlace(settings: Settings): ProcessExecutorOptions {
  return {
    get killGraceMs() {
      return settings.KILL_GRACE;
    },
    privateFolder: privateFolder(settings.DATA_DIR),
  };
}

function obsPlace({ OBS_URL: url, OBS_PASSWORD: password }: Settings): ObsPlace | undefined {
  return url === undefined ? undefined : { url, password };
}

/** What the catalogue has to know of services that settings name: which are off, and their models. */
function servicesOf(settings: Settings): Pick<CatalogueOptions, 'off' | 'models'> {
  const { off: llm, models } = llmForCatalogue(settings);
  return { off: { ...(llm === undefined ? {} : { llm }), ...(obsPlace(settings) ? {} : { obs: OBS_NOT_CONFIGURED }) }, models };
}

/** The catalogue, what starts programs, and what carries commands out. */
export function execution({ settings, logger, catalogueVariable, ownsProcess = false }: ExecutionIngredients): Provider[] {
  return [
    {
      provide: Catalogue,
      inject: [SecretKey, SecretService],
      useFactory: (secretKey: SecretKey, secrets: SecretService) =>
        new Catalogue({
          directory: settings.CATALOGUE_DIR,
          workingDirectory: process.cwd(),
          variable: catalogueVariable,
          builtins: [...BUILTIN_NAMES],
          secretKey: () => secretKey.bytes,
          reveal: (names) => secrets.reveal(names),
          ...servicesOf(settings),
          defaults: { timeoutMs: settings.RUN_TIMEOUT, outputBytes: settings.OUTPUT_LIMIT },
        }),
    },
    { provide: CatalogueProbe, inject: [Catalogue], useFactory: (catalogue: Catalogue) => new CatalogueProbe(catalogue) },
    {
      provide: ProcessLauncher,
      inject: [Catalogue, Metrics, ErrorTracker],
      useFactory: (catalogue: Catalogue, metrics: Metrics, errors: ErrorTracker) =>
        new ProcessLauncher({
          ownsProcess,
          containment: {
            mode: settings.SANDBOX,
            folder: resolve(settings.DATA_DIR, 'sandbox'),
            hidden: ownFiles(settings),
            places: () => catalogue.all().flatMap(({ places }) => places),
          },
          onSandboxNotKept: (program) =>
            logger.warn({ program }, 'no sandbox can be kept for this program; each of its runs builds its own'),
          onHostLost: (host) => {
            metrics.executorHostsLost.inc();
            errors.report({ name: 'executor_host_lost' });
            logger.error(host, 'an executor host went away; its runs are lost and a new one starts');
          },
        }),
    },
    { provide: Launcher, useExisting: ProcessLauncher },
    { provide: ObsClient, useFactory: () => new ObsClient(obsPlace(settings)) },
    { provide: ObsProbe, inject: [ObsClient], useFactory: (client: ObsClient) => new ObsProbe(client) },
    ...executors(settings),
  ];
}

/** What carries commands out, and what they are carried out within. */
function executors(settings: Settings): Provider[] {
  return [
    {
      provide: ProcessExecutor,
      inject: [Launcher],
      useFactory: (launcher: Launcher) => new ProcessExecutor(launcher, ownPlace(settings)),
    },
    {
      provide: RunExecution,
      inject: [ProcessExecutor, KnowledgeBases, ObsClient, LlmClient, Resilience, WriteHealth, Metrics, Clock, Redaction, Tracer],
      useFactory: (
        programs: ProcessExecutor,
        ...[knowledge, obs, llm, ...rooms]: [KnowledgeBases, ObsClient, LlmClient, ...ExecutionRooms]
      ) => {
        const [resilience, writes, metrics, clock, redaction, tracer] = rooms;
        const asking = [new HttpExecutor(), new KnowledgeExecutor(knowledge, llm), new LlmExecutor(llm), new ObsExecutor(obs)];
        return new RunExecution([programs, new BuiltinExecutor(), ...asking], { resilience, writes, metrics, clock, redaction, tracer });
      },
    },
  ];
}
