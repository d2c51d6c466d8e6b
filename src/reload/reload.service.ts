import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import type { Catalogue, PreparedCatalogue } from '../commands/catalogue.js';
import type { LiveSettings, PreparedSettings } from '../config/live-settings.js';
import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import { ReloadHealth, type Clock, type EventBus, type ReloadOutcome } from '../domain/ports.js';
import type { PrincipalId } from '../domain/principal.js';
import type { Metrics } from '../metrics/metrics.js';
import { ConfigurationMistakes, readConfiguration } from './read-configuration.js';
import { lookAt, YOUNG_MS, type Look } from './watched-files.js';

/** Files that are changed while they are read are read again; so often. */
const MOST_READINGS = 5;
const MOST_MISTAKES_LOGGED = 20;
const RESULTS = ['applied', 'unchanged', 'rejected', 'failed'] as const satisfies readonly ReloadOutcome['result'][];

/** Who wants a reload. `watch`: nobody, files have changed. */
export interface ReloadOrigin {
  readonly trigger: 'request' | 'signal' | 'watch';
  readonly principalId: PrincipalId;
  readonly requestId: string;
}

/** The person at the host that sends a signal, or edits files. */
export function localOrigin(trigger: 'signal' | 'watch'): ReloadOrigin {
  return { trigger, principalId: LOCAL_PRINCIPAL.id, requestId: 'local' };
}

/** What a reload did. */
export interface ReloadReport {
  readonly result: 'applied' | 'unchanged';
  readonly catalogue: PreparedCatalogue['changes'] & { readonly digest: string; readonly commands: number };
  readonly settings: Pick<PreparedSettings, 'applied' | 'needsRestart'>;
}

export interface ReloadRooms {
  readonly catalogue: Catalogue;
  readonly settings: LiveSettings;
  readonly audit: AuditLog;
  readonly db: Db;
  readonly events: EventBus;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Both halves of a configuration, valid, not yet in force. */
interface Prepared {
  readonly catalogue: PreparedCatalogue;
  readonly settings: PreparedSettings;
}

/** Takes over what the files say, as a whole: reads and checks everything, records it, and only then puts it in force. */
export class ReloadService extends ReloadHealth {
  private outcome: ReloadOutcome | null = null;
  /** How the files looked that are in force, or whose mistakes were told; undefined when that is not certain. */
  private seen: string | undefined;
  private reloading: Promise<unknown> = Promise.resolve();
  private stopped = false;

  constructor(private readonly rooms: ReloadRooms) {
    super();
    for (const result of RESULTS) rooms.metrics.configReloads.inc({ result }, 0);
    rooms.metrics.configLastReloadSuccess.set(1);
  }

  override get lastReload(): ReloadOutcome | null {
    return this.outcome;
  }

  look(): Promise<Look> {
    return lookAt({ directory: this.rooms.settings.settings.CATALOGUE_DIR, files: this.rooms.settings.files });
  }

  /** Whether the files are as they were when they were read last. */
  isKnown({ text }: Look): boolean {
    return text === this.seen;
  }

  /** The files look like this before they are read for the first time. */
  note({ text, isYoung }: Look): void {
    this.seen = isYoung ? undefined : text;
  }

  /**
   * Reloads happen one after the other. Runs under way keep the command they started with.
   * @throws GatewayError `configuration_mistaken` with every mistake, `storage_unavailable` when it cannot be recorded, `draining` after
   * the stop: the last good configuration stays
   */
  reload(origin: ReloadOrigin): Promise<ReloadReport> {
    const reload = this.reloading.then(() => this.attempt(origin));
    // Its failure is the caller's; whoever comes behind only waits for its end.
    this.reloading = reload.catch(() => undefined);
    return reload;
  }

  /** Resolves when nothing is being reloaded, and nothing will be. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.reloading;
  }

  private async attempt(origin: ReloadOrigin): Promise<ReloadReport> {
    if (this.stopped) throw new GatewayError('draining', 'The gateway is shutting down.');
    try {
      const prepared = await this.prepare();
      const report = reportOf(prepared, this.rooms.catalogue);
      // Who asked is recorded always; a look at files that brought nothing new is no event.
      if (report.result === 'applied' || origin.trigger !== 'watch') await this.record(origin, report);
      this.apply(prepared, report);
      this.finish(report.result, origin, report);
      return { ...report, catalogue: { ...report.catalogue, commands: this.rooms.catalogue.all().length } };
    } catch (error) {
      this.tellFailure(origin, error);
      throw error instanceof ConfigurationMistakes ? error.toGatewayError() : error;
    }
  }

  /** Files that change in the middle would give a mixture of two configurations: they are read again. */
  private async prepare(): Promise<Prepared> {
    for (let reading = 1; reading <= MOST_READINGS; reading++) {
      const before = await this.lookAtRest();
      const found = await readConfiguration(this.rooms.settings, this.rooms.catalogue);
      const after = await this.look();
      if (before.text !== after.text) continue;
      this.note(before);
      if (found instanceof ConfigurationMistakes) throw found;
      return found;
    }
    this.seen = undefined;
    throw new ConfigurationMistakes([{ path: 'files', message: 'change while they are read' }]);
  }

  /** What is read after this is what was seen, or another look tells. */
  private async lookAtRest(): Promise<Look> {
    for (let looks = 1; ; looks++) {
      const look = await this.look();
      if (!look.isYoung || looks === MOST_READINGS) return look;
      await delay(YOUNG_MS);
    }
  }

  private async record({ trigger, principalId, requestId }: ReloadOrigin, { result, catalogue, settings }: ReloadReport): Promise<void> {
    const { db, audit } = this.rooms;
    const { digest, added, changed, removed } = catalogue;
    const details = {
      trigger,
      result,
      catalogue: digest,
      added,
      changed,
      removed,
      settings: settings.applied,
      needsRestart: settings.needsRestart,
    };
    try {
      await db.commit([audit.appended({ action: 'config.reloaded', principalId, subject: 'configuration', requestId, details })]);
    } catch (error) {
      // The files are not in force: whoever watches them has to come again.
      this.seen = undefined;
      throw error;
    }
  }

  /** Nothing is awaited in here: nobody sees one half of it. */
  private apply({ catalogue, settings }: Prepared, { settings: { applied } }: ReloadReport): void {
    const { added, changed, removed } = catalogue.changes;
    this.rooms.settings.apply(settings);
    catalogue.apply();
    const { events } = this.rooms;
    if (applied.length > 0) events.publish('settings.changed', { names: applied });
    if (added.length + changed.length + removed.length > 0)
      events.publish('catalogue.replaced', { digest: catalogue.digest, ...catalogue.changes });
  }

  private finish(result: ReloadReport['result'], { trigger, requestId }: ReloadOrigin, { catalogue, settings }: ReloadReport): void {
    const was = this.outcome?.result;
    this.count({ result, at: this.rooms.clock.now(), mistakes: 0 });
    const details = { trigger, request_id: requestId, catalogue, settings };
    if (result === 'applied') this.rooms.logger.info(details, 'configuration reloaded');
    else if (trigger !== 'watch' || isFailure(was)) this.rooms.logger.info(details, 'nothing new in the configuration');
    if (settings.needsRestart.length > 0)
      this.rooms.logger.warn({ settings: settings.needsRestart }, 'settings that are given otherwise by now need a restart');
  }

  private tellFailure({ trigger, requestId }: ReloadOrigin, error: unknown): void {
    const mistaken = error instanceof ConfigurationMistakes;
    const before = this.outcome;
    this.count({ result: mistaken ? 'rejected' : 'failed', at: this.rooms.clock.now(), mistakes: mistaken ? error.mistakes.length : 0 });
    const origin = { trigger, request_id: requestId };
    if (mistaken) {
      const mistakes = error.mistakes.slice(0, MOST_MISTAKES_LOGGED).map(({ path, message }) => `${path}: ${message}`);
      this.rooms.logger.warn({ ...origin, mistakes }, 'configuration not reloaded for its mistakes: the last good one stays');
    } else if (before?.result !== 'failed') {
      this.rooms.logger.error({ ...origin, err: error }, 'configuration not reloaded: the last good one stays');
    }
  }

  private count(outcome: ReloadOutcome): void {
    this.outcome = outcome;
    this.rooms.metrics.configReloads.inc({ result: outcome.result });
    this.rooms.metrics.configLastReloadSuccess.set(isFailure(outcome.result) ? 0 : 1);
  }
}

function isFailure(result: ReloadOutcome['result'] | undefined): boolean {
  return result === 'rejected' || result === 'failed';
}

function reportOf({ catalogue, settings }: Prepared, inForce: Catalogue): ReloadReport {
  const { added, changed, removed } = catalogue.changes;
  const { applied, needsRestart } = settings;
  const isNew = added.length + changed.length + removed.length + applied.length > 0;
  return {
    result: isNew ? 'applied' : 'unchanged',
    catalogue: { digest: catalogue.digest, commands: inForce.all().length, added, changed, removed },
    settings: { applied, needsRestart },
  };
}
