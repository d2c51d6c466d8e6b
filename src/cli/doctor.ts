import type { INestApplicationContext } from '@nestjs/common';
import { CatalogueMistakes, formatFinding } from '../commands/catalogue-mistakes.js';
import { type LoadedSettings, loadSettings, SettingsError } from '../config/settings.js';
import { AuditStore } from '../domain/audit.js';
import type { Settings } from '../config/settings.schema.js';
import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { ContainmentReport } from '../domain/sandbox.js';
import type { Gateway } from '../gateway.js';
import { print } from './cli-failure.js';
import { examineClock, examineDataFolder, examineDisk, examineFiles, examineNode, examinePort } from './host-checks.js';
import { withLocalRooms } from './local.js';
import { examineOutlets } from './outlet-checks.js';
import { failure, type Observation, ok, warning } from './observation.js';

/** What an examination found. Containment is null where the launcher does not start, or nobody came so far. */
interface Examination {
  readonly observations: readonly Observation[];
  readonly containment: ContainmentReport | null;
}

/**
 * Looks at everything that a start would need, and says of each thing that is wrong what to do. Changes nothing but what a start would
 * make in DATA_DIR. @returns the exit code: 1 when something fails
 */
export async function doctor(options: { readonly json?: boolean }): Promise<number> {
  const { observations, containment } = await examine();
  const healthy = observations.every(({ weight }) => weight !== 'failure');
  print({ ok: healthy, observations, containment }, options, () => observations.map(describe).join('\n'));
  return healthy ? 0 : 1;
}

function describe({ weight, about, text, advice }: Observation): string {
  const line = `${weight.padEnd(8)} ${about.padEnd(12)} ${text}`;
  return advice === null ? line : `${line}\n${' '.repeat(22)}→ ${advice}`;
}

async function examine(): Promise<Examination> {
  const loaded = examineSettings();
  if (Array.isArray(loaded)) return { observations: [...loaded, examineNode()], containment: null };
  const { settings } = loaded;
  const host = [examineNode(), ...(await examineDataFolder(settings)), ...(await examineFiles(loaded)), await examinePort(settings)];
  const { observations, containment } = await withLocalRooms(async ({ context, gateway }) => {
    const { observations, containment } = await examineRooms(context, gateway);
    return { observations: [...(await examineRedis(settings, gateway)), ...observations], containment };
  });
  const around = [...(await examineDisk(settings)), ...(await examineOutlets(settings))];
  return { observations: [ok('settings', 'are valid'), ...host, ...around, ...observations], containment };
}

function examineSettings(): LoadedSettings | Observation[] {
  try {
    return loadSettings();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.mistakes.map((mistake) => failure('settings', mistake, 'docs/configuration.md lists every setting and how it is written'));
  }
}

async function examineRooms(context: INestApplicationContext, gateway: Gateway): Promise<Examination> {
  const { catalogue, launcher } = gateway.parts;
  const store = await observe('store', () => gateway.openStore(), STORE_ADVICE);
  const isOpen = store.length === 0;
  const clock = isOpen ? examineClock((await context.get(AuditStore).page({ limit: 1 })).items[0]?.at) : [];
  const declared = await observe('catalogue', () => loadCatalogue(gateway), CATALOGUE_ADVICE);
  const started = await observe('containment', () => launcher.start(), CONTAINMENT_ADVICE);
  const containment = started.length === 0 ? launcher.containment : null;
  const commands = catalogue.all();
  return {
    observations: [
      ...(isOpen ? [ok('store', 'DATA_DIR can be written, and its schema is up to date')] : store),
      ...clock,
      ...(declared.length === 0 ? [ok('catalogue', `${commands.length} commands are declared without mistakes`)] : declared),
      ...catalogue.warnings.map((finding) => warning('catalogue', formatFinding(finding), 'look whether that is meant')),
      ...(containment ? [ok('containment', 'programs can be started'), ...describeContainment(containment, commands)] : started),
    ],
    containment,
  };
}

/** As the gateway would use it, with what it does there. */
async function examineRedis({ REDIS_URL, RATE_LIMIT_WITHOUT_REDIS }: Settings, { parts: { rates } }: Gateway): Promise<Observation[]> {
  if (!REDIS_URL) return [];
  await rates.start();
  const { fault } = rates;
  if (fault === undefined) return [ok('redis', 'REDIS_URL answers, and rates can be counted there')];
  const observed = RATE_LIMIT_WITHOUT_REDIS === 'closed' ? failure : warning;
  return [observed('redis', `rates cannot be counted at REDIS_URL: ${fault}`, REDIS_ADVICE)];
}

const REDIS_ADVICE = 'docs/operations.md#one-limit-for-several-gateways says what it takes there, and what happens without';
const STORE_ADVICE = 'see that the user of the gateway owns DATA_DIR, that it lies on a local disk, and that there is room on it';
const CATALOGUE_ADVICE = 'mend the file; `sallyport check` tells whether it is right by then';
const CONTAINMENT_ADVICE = 'docs/operations.md#containment says what sandboxes need here; SANDBOX=off starts without';

async function loadCatalogue(gateway: Gateway): Promise<void> {
  gateway.parts.secretKey.open();
  await gateway.parts.catalogue.reload();
}

/** Nothing when it succeeds; each failure that an operator can understand as an observation of its own. */
async function observe(about: Observation['about'], attempt: () => Promise<unknown>, advice: string): Promise<Observation[]> {
  try {
    await attempt();
    return [];
  } catch (error) {
    if (error instanceof CatalogueMistakes) return error.mistakes.map((mistake) => failure(about, formatFinding(mistake), advice));
    if (error instanceof GatewayError) return [failure(about, error.message, advice)];
    throw error;
  }
}

function describeContainment({ mode, bubblewrap, profiles, limits, gaps }: ContainmentReport, commands: readonly Command[]): Observation[] {
  const held = Object.entries(profiles).flatMap(([profile, { contained }]) => (contained ? [profile] : []));
  const outside = commands.filter(({ sandbox }) => sandbox === 'host').map(({ name }) => name);
  return [
    ok('containment', `SANDBOX is ${mode}; bubblewrap ${bubblewrap ?? 'is not used'}`),
    ...(held.length > 0 ? [ok('containment', `profiles that were tried and hold: ${held.join(', ')}`)] : []),
    ok('containment', `limits are kept by: processes ${limits.processes}, memory ${limits.memory}, others ${limits.others}`),
    ...(outside.length > 0 ? [ok('containment', `declared to run outside of any sandbox (profile host): ${outside.join(', ')}`)] : []),
    ...gaps.map((gap) => warning('containment', gap, mode === 'off' ? 'SANDBOX=auto contains what this host can' : GAP_ADVICE)),
  ];
}

const GAP_ADVICE = 'docs/operations.md#containment says what it takes; SANDBOX=require keeps the gateway from starting without';
