import { CatalogueMistakes, formatFinding } from '../commands/catalogue-mistakes.js';
import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { ContainmentReport } from '../domain/sandbox.js';
import type { Gateway } from '../gateway.js';
import { print } from './cli-failure.js';
import { withLocalRooms } from './local.js';

/** `warning`: works, and an operator should know; `failure`: the gateway would not start, or refuse work. */
type Weight = 'ok' | 'warning' | 'failure';

interface Observation {
  readonly weight: Weight;
  readonly about: 'settings' | 'store' | 'catalogue' | 'containment';
  readonly text: string;
}

/**
 * Looks at what a start would need, one thing after the other, and changes nothing but what a start would make in DATA_DIR.
 * Settings that are mistaken end it before, in the words of `check`. @returns the exit code: 1 when something fails
 */
export async function doctor(options: { readonly json?: boolean }): Promise<number> {
  const { observations, containment } = await withLocalRooms(({ gateway }) => examine(gateway));
  const healthy = observations.every(({ weight }) => weight !== 'failure');
  print({ ok: healthy, observations, containment }, options, () =>
    observations.map(({ weight, about, text }) => `${weight.padEnd(8)} ${about.padEnd(12)} ${text}`).join('\n'),
  );
  return healthy ? 0 : 1;
}

interface Examination {
  readonly observations: readonly Observation[];
  /** Null where the launcher does not start. */
  readonly containment: ContainmentReport | null;
}

async function examine(gateway: Gateway): Promise<Examination> {
  const { catalogue, launcher } = gateway.parts;
  const store = await observe('store', () => gateway.openStore(), 'DATA_DIR can be written, and its schema is up to date');
  const declared = await observe(
    'catalogue',
    async () => {
      gateway.parts.secretKey.open();
      await catalogue.reload();
    },
    () => `${catalogue.all().length} commands are declared without mistakes`,
  );
  const started = await observe('containment', () => launcher.start(), 'programs can be started');
  const containment = started.weight === 'ok' ? launcher.containment : null;
  const settings: Observation = { weight: 'ok', about: 'settings', text: 'are valid' };
  const warnings = declared.weight === 'ok' ? catalogue.warnings.map((finding) => warn('catalogue', formatFinding(finding))) : [];
  const contained = containment ? describeContainment(containment, catalogue.all()) : [];
  return { observations: [settings, store, declared, ...warnings, started, ...contained], containment };
}

async function observe(
  about: Observation['about'],
  attempt: () => Promise<unknown>,
  success: string | (() => string),
): Promise<Observation> {
  try {
    await attempt();
    return { weight: 'ok', about, text: typeof success === 'string' ? success : success() };
  } catch (error) {
    if (error instanceof GatewayError || error instanceof CatalogueMistakes) return { weight: 'failure', about, text: error.message };
    throw error;
  }
}

function describeContainment({ mode, bubblewrap, profiles, limits, gaps }: ContainmentReport, commands: readonly Command[]): Observation[] {
  const held = Object.entries(profiles).flatMap(([profile, { contained }]) => (contained ? [profile] : []));
  const tell = (text: string): Observation => ({ weight: 'ok', about: 'containment', text });
  const outside = commands.filter(({ sandbox }) => sandbox === 'host').map(({ name }) => name);
  return [
    tell(`SANDBOX is ${mode}; bubblewrap ${bubblewrap ?? 'is not used'}`),
    ...(held.length > 0 ? [tell(`profiles that were tried and hold: ${held.join(', ')}`)] : []),
    tell(`limits are kept by: processes ${limits.processes}, memory ${limits.memory}, others ${limits.others}`),
    ...(outside.length > 0 ? [tell(`declared to run outside of any sandbox (profile host): ${outside.join(', ')}`)] : []),
    ...gaps.map((gap) => warn('containment', gap)),
  ];
}

function warn(about: Observation['about'], text: string): Observation {
  return { weight: 'warning', about, text };
}
