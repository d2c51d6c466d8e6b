import { afterAll } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Catalogue, type CatalogueOptions } from '../../src/commands/catalogue.js';
import { CatalogueMistakes, formatFinding } from '../../src/commands/catalogue-mistakes.js';
import type { CompiledCommand } from '../../src/commands/command-compiler.js';
import { GatewayError, type FieldError } from '../../src/domain/errors.js';

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder that is gone after the tests of the file. Its path has no symlinks. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-')));
  folders.push(folder);
  return folder;
}

/** A catalogue, not yet loaded, of one file `test.yaml` with this text (or of none) in a folder of its own, which is also its working directory. */
export function catalogueFolder(
  text: string | undefined,
  options: Partial<CatalogueOptions> = {},
): { folder: string; catalogue: Catalogue } {
  const folder = temporaryFolder();
  if (text !== undefined) writeFileSync(join(folder, 'test.yaml'), text);
  const secretKey = randomBytes(32);
  const catalogue = new Catalogue({
    directory: folder,
    workingDirectory: folder,
    variable: (name) => (name === 'PATH' ? '/usr/bin:/bin' : undefined),
    builtins: ['greet'],
    secretKey: () => secretKey,
    reveal: (names) => Promise.reject(new Error(`nobody keeps ${names.join(', ')}`)),
    defaults: { timeoutMs: 30_000, outputBytes: 1_048_576 },
    ...options,
  });
  return { folder, catalogue };
}

/** The one command of a catalogue whose text under `commands: { test: …` is given as JSON or flow YAML. */
export async function commandOf(declaration: string | object, options: Partial<CatalogueOptions> = {}): Promise<CompiledCommand> {
  const body = typeof declaration === 'string' ? declaration : JSON.stringify({ summary: 'Test', effect: 'read', ...declaration });
  const { catalogue } = catalogueFolder(`commands:\n  test: ${body}\n`, options);
  await catalogue.reload();
  const command = catalogue.get('test');
  if (!command) throw new Error('the command was left out');
  return command;
}

/** The mistakes that loading this text reports, in their printed form. */
export async function mistakesOf(text: string, options: Partial<CatalogueOptions> = {}): Promise<readonly string[]> {
  return catalogueFolder(text, options)
    .catalogue.reload()
    .then(
      () => [],
      (error: unknown) => {
        if (error instanceof CatalogueMistakes) return error.mistakes.map(formatFinding);
        throw error;
      },
    );
}

/** The field errors that a command answers these arguments with; none when it takes them. */
export async function refusalsOf(command: CompiledCommand, args: unknown): Promise<readonly FieldError[]> {
  return command.prepare(args).then(
    () => [],
    (error: unknown) => {
      if (error instanceof GatewayError && error.code === 'invalid_arguments') return error.extra.errors ?? [];
      throw error;
    },
  );
}
