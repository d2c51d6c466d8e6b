import { hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import type { BreakerPolicy } from '../domain/resilience.js';
import { readCatalogueFile, type CatalogueFile } from './catalogue-file.js';
import { CatalogueMistakes, compareFindings, type CatalogueFinding, type Finding } from './catalogue-mistakes.js';
import { commandNameSchema, commandSchema, type CommandDeclaration } from './catalogue-schema.js';
import { compileCommand, type CompiledCommand, type CompilerOptions } from './command-compiler.js';
import { declarationMistakes } from './declaration-rules.js';
import { safeFolders } from './executables.js';
import { executorOf } from './executor-kind.js';
import { addressed } from './http-variables.js';
import { parsePhrase, shapeOf } from './phrase-text.js';
import { programWarning } from './scripts.js';
import { breakerNameOf, resolveBreakers } from './shared-breakers.js';
import { resolveSurroundings, type Host } from './surroundings.js';

const MAX_FILE_BYTES = 1024 ** 2;
const ANYONE_MAY_WRITE = 0o002;

export interface LoaderOptions extends CompilerOptions {
  /** Folder of the catalogue files (`*.yaml`, `*.yml`). */
  readonly directory: string;
  readonly workingDirectory: string;
  /** Values for `${NAME}`; `PATH` says where programs are looked for. */
  readonly variable: (name: string) => string | undefined;
  /** Names of the functions that `builtin` may name. */
  readonly builtins: readonly string[];
}

/** A whole catalogue, valid on this host. */
export interface LoadedCatalogue {
  /** Sorted by name. */
  readonly commands: readonly CompiledCommand[];
  readonly warnings: readonly CatalogueFinding[];
  /** SHA-256 (hex) over the versions of all commands. */
  readonly digest: string;
}

/** A declaration and the place it came from. */
interface Declared {
  readonly name: string;
  readonly declaration: CommandDeclaration;
  /** Why it cannot be run as this host is set up. */
  readonly off?: string;
  place(finding: Finding): CatalogueFinding;
}

/**
 * Reads, checks and resolves all files of the catalogue's folder.
 * @throws CatalogueMistakes with every mistake of every file
 */
export async function loadCatalogue(options: LoaderOptions): Promise<LoadedCatalogue> {
  const notes = { mistakes: [] as CatalogueFinding[], warnings: [] as CatalogueFinding[] };
  const declared = await readDeclarations(options, notes);
  const { breakers, mistakes } = resolveBreakers(declared);
  notes.mistakes.push(...duplicateNames(declared), ...collidingPhrases(declared), ...mistakes);
  const breakerOf = ({ name, declaration }: Declared) => breakers.get(breakerNameOf(name, declaration) ?? '') ?? null;
  const commands = await compileAll(declared, { ...options, breakerOf }, notes);
  if (notes.mistakes.length > 0) throw new CatalogueMistakes(notes.mistakes.sort(compareFindings));
  const digest = hash('sha256', commands.map(({ name, version }) => `${name} ${version}\n`).join(''));
  return { commands, warnings: notes.warnings.sort(compareFindings), digest };
}

interface Notes {
  readonly mistakes: CatalogueFinding[];
  readonly warnings: CatalogueFinding[];
}

async function readDeclarations(options: LoaderOptions, notes: Notes): Promise<readonly Declared[]> {
  const { directory, workingDirectory } = options;
  const shown = (file: string) => {
    const way = relative(workingDirectory, file);
    return way === '' || way.startsWith('..') ? file : way;
  };
  const aboutWhole = (file: string, message: string) => ({ file: shown(file), line: 0, column: 0, path: '', message });
  const entries = await readdir(directory).catch(() => undefined);
  const names = (entries ?? []).filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
  if (names.length === 0) {
    notes.mistakes.push(
      aboutWhole(directory, entries ? 'there is no catalogue file (*.yaml) in this folder' : 'expected a folder that can be read'),
    );
  }
  const all: Declared[] = [];
  for (const name of names) {
    const file = join(directory, name);
    const found = await readBounded(file);
    if ('mistake' in found) {
      notes.mistakes.push(aboutWhole(file, found.mistake));
      continue;
    }
    if (found.anyoneMayWrite) notes.warnings.push(aboutWhole(file, 'any user of this host may change this file'));
    const { declared, mistakes } = declarationsOf(readCatalogueFile(found.text), shown(file), options);
    all.push(...declared);
    notes.mistakes.push(...mistakes);
  }
  return all;
}

type Found = { readonly text: string; readonly anyoneMayWrite: boolean } | { readonly mistake: string };

/** Files may be replaced while they are read, by a pipe as well, which must hold up nobody. */
async function readBounded(file: string): Promise<Found> {
  try {
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const { size, mode, isFile } = await handle.stat().then((found) => ({ size: found.size, mode: found.mode, isFile: found.isFile() }));
    if (!isFile) return { mistake: 'is not a file' };
    if (size > MAX_FILE_BYTES) return { mistake: 'is larger than 1 MiB' };
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile());
    return { text, anyoneMayWrite: (mode & ANYONE_MAY_WRITE) !== 0 };
  } catch {
    return { mistake: 'expected a file of UTF-8 text that can be read' };
  }
}

const outerSchema = z.strictObject(
  { commands: z.record(z.string(), z.unknown(), { error: 'expected a mapping of names to commands' }) },
  { error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'expected `commands:` and a mapping') },
);

/** The well-formed declarations of one file, and the mistakes of all of them. */
function declarationsOf(source: CatalogueFile, file: string, options: Pick<LoaderOptions, 'builtins' | 'variable'>) {
  const place = ({ path, message }: Finding): CatalogueFinding => ({ file, ...source.locate(path), path: path.join('.'), message });
  const mistakes: CatalogueFinding[] = source.problems.map(({ line, column, message }) => ({ file, line, column, path: '', message }));
  const declared: Declared[] = [];
  if (mistakes.length > 0) return { declared, mistakes };
  const outer = outerSchema.safeParse(source.content);
  if (!outer.success) return { declared, mistakes: outer.error.issues.flatMap(findingsOf).map(place) };
  for (const [name, content] of Object.entries(outer.data.commands)) {
    const placeInside = ({ path, message }: Finding) => place({ path: ['commands', name, ...path], message });
    const inner = commandSchema.safeParse(content);
    const nameIssues = commandNameSchema.safeParse(name).error?.issues ?? [];
    const found = [...nameIssues.map(({ message }) => ({ path: [], message })), ...(inner.error?.issues ?? []).flatMap(findingsOf)];
    const whole = inner.success ? addressed(inner.data, options.variable) : undefined;
    if (whole) found.push(...('mistake' in whole ? [whole.mistake] : declarationMistakes(whole.declaration, options.builtins)));
    mistakes.push(...found.map(placeInside));
    if (whole && 'declaration' in whole && found.length === 0) declared.push({ name, ...whole, place: placeInside });
  }
  return { declared, mistakes };
}

/** A schema's issue in our words; unknown keys one by one, each where it stands. */
function findingsOf(issue: z.core.$ZodIssue): readonly Finding[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...path, key], message: 'is not a key that means anything here' }));
  if (issue.code === 'invalid_key') return issue.issues.map(({ message }) => ({ path, message }));
  return [{ path, message: issue.code === 'invalid_type' && issue.message.endsWith('received undefined') ? 'is missing' : issue.message }];
}

function duplicateNames(declared: readonly Declared[]): readonly CatalogueFinding[] {
  const first = new Map<string, CatalogueFinding>();
  return declared.flatMap(({ name, place }) => {
    const here = place({ path: [], message: '' });
    const before = first.get(name);
    first.set(name, before ?? here);
    return before ? [{ ...here, message: `is declared already in ${before.file}:${before.line}` }] : [];
  });
}

/** Two commands must not claim the same text; a command's name is a phrase of its own. */
function collidingPhrases(declared: readonly Declared[]): readonly CatalogueFinding[] {
  const owners = new Map(declared.map(({ name }) => [name, name]));
  return declared.flatMap(({ name, declaration, place }) =>
    declaration.phrases.flatMap((text, index) => {
      const phrase = parsePhrase(text);
      if ('mistake' in phrase) return [];
      const owner = owners.get(shapeOf(phrase));
      owners.set(shapeOf(phrase), owner ?? name);
      if (owner === undefined || (owner === name && shapeOf(phrase) === name)) return [];
      return [place({ path: ['phrases', index], message: owner === name ? 'is given twice' : `means ${owner} already` })];
    }),
  );
}

interface CompileOptions extends LoaderOptions {
  readonly breakerOf: (declared: Declared) => BreakerPolicy | null;
}

async function compileAll(declared: readonly Declared[], options: CompileOptions, notes: Notes): Promise<readonly CompiledCommand[]> {
  const host: Host = { ...options, folders: await safeFolders(options.variable('PATH') ?? '/usr/local/bin:/usr/bin:/bin') };
  const commands: CompiledCommand[] = [];
  for (const one of declared) {
    const { name, declaration, place } = one;
    const resolution = await resolveSurroundings(declaration, host);
    if (resolution.kind === 'mistaken') notes.mistakes.push(...resolution.mistakes.map(place));
    else if (resolution.kind === 'absent') notes.warnings.push(place(resolution.finding));
    else {
      const off = one.off === undefined ? options.off : { ...options.off, [executorOf(declaration)]: one.off };
      commands.push(
        compileCommand(name, declaration, { ...resolution.surroundings, breaker: options.breakerOf(one) }, { ...options, off }),
      );
    }
    notes.warnings.push(...warningsOf(declaration).map(place));
  }
  return commands.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function warningsOf({ exec, script }: CommandDeclaration): readonly Finding[] {
  if (script) return [{ path: ['script'], message: `is run by ${script.interpreter}: make sure that it quotes its arguments` }];
  return (exec ?? []).flatMap((element, index) => {
    const message = typeof element === 'string' && (index === 0 || element.startsWith('/')) ? programWarning(element) : undefined;
    return message === undefined ? [] : [{ path: ['exec', index], message }];
  });
}
