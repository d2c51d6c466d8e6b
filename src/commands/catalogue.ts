import type { SecretName } from '../domain/secret.js';
import type { CatalogueFinding } from './catalogue-mistakes.js';
import { loadCatalogue, type LoadedCatalogue, type LoaderOptions } from './catalogue-loader.js';
import type { CompiledCommand } from './command-compiler.js';
import { PhraseBook, type TextResolution } from './phrases.js';

export interface CatalogueOptions extends Omit<LoaderOptions, 'secretKey'> {
  /** Asked for at each load. */
  readonly secretKey: () => Buffer;
}

/** Whether the caller at hand may see a command. */
export type Visible = (command: CompiledCommand) => boolean;

/** What a reload changed, by name. */
export interface CatalogueChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** A whole catalogue, valid on this host, not yet in force. */
export interface PreparedCatalogue {
  readonly digest: string;
  readonly changes: CatalogueChanges;
  /** Puts it in force, at once and whole. */
  apply(): void;
}

/** What settings have to say about a load. */
export type CatalogueSettings = Pick<CatalogueOptions, 'variable' | 'defaults'>;

interface Snapshot extends LoadedCatalogue {
  readonly byName: ReadonlyMap<string, CompiledCommand>;
  readonly book: PhraseBook<CompiledCommand>;
  /** ISO-8601 UTC; null before the first load. */
  readonly loadedAt: string | null;
}

/** All declared commands, replaced as a whole by {@link reload}. Empty until the first one. */
export class Catalogue {
  private snapshot = snapshotOf({ commands: [], warnings: [], digest: '' }, null);
  private reloading: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: CatalogueOptions) {}

  /**
   * Reads the catalogue's folder anew. Runs under way keep the command they started with. Reloads happen one after the other.
   * @throws CatalogueMistakes when anything is wrong; then the last good catalogue stays
   */
  async reload(): Promise<CatalogueChanges> {
    const reload = this.reloading.then(async () => {
      const prepared = await this.prepare();
      prepared.apply();
      return prepared.changes;
    });
    this.reloading = reload.catch(() => undefined);
    return reload;
  }

  /**
   * Reads, checks and resolves everything, and changes nothing. A command that would be the same in everything is the same object.
   * @param settings instead of those that the catalogue was made with
   * @throws CatalogueMistakes when anything is wrong
   */
  async prepare(settings: Partial<CatalogueSettings> = {}): Promise<PreparedCatalogue> {
    const loaded = await loadCatalogue({ ...this.options, ...settings, secretKey: this.options.secretKey() });
    const before = this.snapshot.byName;
    const commands = loaded.commands.map((command) => {
      const known = before.get(command.name);
      return known?.fingerprint === command.fingerprint ? known : command;
    });
    const changes = changesBetween(before, commands);
    return {
      digest: loaded.digest,
      changes,
      apply: () => void (this.snapshot = snapshotOf({ ...loaded, commands }, new Date().toISOString())),
    };
  }

  get(name: string): CompiledCommand | undefined {
    return this.snapshot.byName.get(name);
  }

  /** Sorted by name. */
  all(): readonly CompiledCommand[] {
    return this.snapshot.commands;
  }

  /** The command and raw arguments that free text means, among the commands the caller may see. */
  resolveText(text: string, visible: Visible): TextResolution<CompiledCommand> {
    return this.snapshot.book.resolve(text, visible);
  }

  /** At most three names or phrases near to a text that means nothing, of commands the caller may see. */
  suggest(text: string, visible: Visible): readonly string[] {
    return this.snapshot.book.suggest(text, visible);
  }

  /** Secrets that commands name and that are not among these, sorted. */
  missingSecrets(set: ReadonlySet<SecretName>): readonly SecretName[] {
    const named = new Set(this.snapshot.commands.flatMap(({ secrets }) => secrets));
    return [...named].filter((name) => !set.has(name)).sort();
  }

  get digest(): string {
    return this.snapshot.digest;
  }

  get loadedAt(): string | null {
    return this.snapshot.loadedAt;
  }

  get warnings(): readonly CatalogueFinding[] {
    return this.snapshot.warnings;
  }
}

function changesBetween(before: Snapshot['byName'], commands: readonly CompiledCommand[]): CatalogueChanges {
  const names = new Set(commands.map(({ name }) => name));
  return {
    added: [...names].filter((name) => !before.has(name)),
    changed: commands.filter((command) => before.has(command.name) && before.get(command.name) !== command).map(({ name }) => name),
    removed: [...before.keys()].filter((name) => !names.has(name)),
  };
}

function snapshotOf(loaded: LoadedCatalogue, loadedAt: string | null): Snapshot {
  return {
    ...loaded,
    byName: new Map(loaded.commands.map((command) => [command.name, command])),
    book: new PhraseBook(loaded.commands),
    loadedAt,
  };
}
