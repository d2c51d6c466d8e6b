import { settingEntries, type LoadedSettings, type SettingSource } from './settings.js';
import type { SettingName, Settings } from './settings.schema.js';

/** Settings that take effect without a restart. Whoever uses one reads it from {@link LiveSettings.settings} whenever it is needed. */
export const RELOADABLE: readonly SettingName[] = [
  'RATE_LIMIT_ENABLED',
  'RATE_LIMIT_PER_KEY',
  'RATE_LIMIT_PER_ADDRESS',
  'OUTPUT_LIMIT',
  'RUN_TIMEOUT',
  'KILL_GRACE',
  'MAX_CONCURRENT_RUNS',
  'MAX_AGENTS',
  'QUEUE_LIMIT',
  'LOG_LEVEL',
  'LOG_KEEP_DAYS',
  'LOG_KEEP_BYTES',
  'METRICS_ACCESS',
  'DOCS_ACCESS',
  'DRAIN_TIMEOUT',
  'RETENTION_DAYS',
  'RETENTION_RUNS',
  'RETENTION_BYTES',
];

const REDACTED = '[redacted]';

/** One setting as an operator may see it. */
export interface SettingView {
  readonly name: SettingName;
  /** In effect, as it was written; null where there is none, `[redacted]` for a secret. */
  readonly value: string | null;
  readonly source: SettingSource;
  /** Whether a reload applies it. */
  readonly reloadable: boolean;
  /** Whether another value is given by now, for which the gateway has to be restarted. */
  readonly needsRestart: boolean;
}

/** New settings, valid, not yet in effect. */
export interface PreparedSettings {
  readonly next: LoadedSettings;
  /** What applying them changes. */
  readonly applied: readonly SettingName[];
  /** What is given otherwise than it is in effect, and takes a restart. */
  readonly needsRestart: readonly SettingName[];
}

/** The settings in effect, and the way new ones come into effect. */
export class LiveSettings {
  private latest: LoadedSettings;
  private needsRestart: readonly SettingName[] = [];
  private readonly texts: Record<SettingName, string | null>;
  private readonly sources: Record<SettingName, SettingSource>;

  /** @param started what the gateway started with; its `settings` are the ones that are kept up to date */
  constructor(private readonly started: LoadedSettings) {
    this.latest = started;
    this.texts = { ...started.texts };
    this.sources = { ...started.sources };
  }

  /** One object for the whole life: those of {@link RELOADABLE} change in it, all of a reload at once. */
  get settings(): Settings {
    return this.started.settings;
  }

  /** Files from which settings come, or would. */
  get files(): readonly string[] {
    return this.latest.files;
  }

  /** @throws SettingsError with every mistake at once */
  prepare(): PreparedSettings {
    const next = this.latest.again();
    const differing = settingEntries().flatMap(([name]) => (next.texts[name] === this.texts[name] ? [] : [name]));
    return {
      next,
      applied: differing.filter((name) => RELOADABLE.includes(name)),
      needsRestart: differing.filter((name) => !RELOADABLE.includes(name)),
    };
  }

  apply({ next, applied, needsRestart }: PreparedSettings): void {
    this.latest = next;
    this.needsRestart = needsRestart;
    Object.assign(this.started.settings, Object.fromEntries(applied.map((name) => [name, next.settings[name]])));
    for (const name of RELOADABLE) {
      this.texts[name] = next.texts[name];
      this.sources[name] = next.sources[name];
    }
  }

  describe(): SettingView[] {
    return settingEntries().map(([name, { secret }]) => ({
      name,
      value: secret && this.texts[name] !== null ? REDACTED : this.texts[name],
      source: this.sources[name],
      reloadable: RELOADABLE.includes(name),
      needsRestart: this.needsRestart.includes(name),
    }));
  }
}
