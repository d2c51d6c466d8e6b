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
    const reload = this.reloading.then(() => this.replace());
    this.reloading = reload.catch(() => undefined);
    return reload;
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

  private async replace(): Promise<CatalogueChanges> {
    const before = this.snapshot.byName;
    this.snapshot = snapshotOf(await loadCatalogue({ ...this.options, secretKey: this.options.secretKey() }), new Date().toISOString());
    const after = this.snapshot.byName;
    return {
      added: [...after.keys()].filter((name) => !before.has(name)),
      changed: [...after.values()]
        .filter(({ name, version }) => before.has(name) && before.get(name)?.version !== version)
        .map(({ name }) => name),
      removed: [...before.keys()].filter((name) => !after.has(name)),
    };
  }
}

function snapshotOf(loaded: LoadedCatalogue, loadedAt: string | null): Snapshot {
  return {
    ...loaded,
    byName: new Map(loaded.commands.map((command) => [command.name, command])),
    book: new PhraseBook(loaded.commands),
    loadedAt,
  };
}
