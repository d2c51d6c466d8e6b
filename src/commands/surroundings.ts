import { realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Sandbox } from '../domain/sandbox.js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import type { Surroundings } from './command-compiler.js';
import { baseEnvironment, expandVariables, namesSecret } from './environment.js';
import { findProgram } from './executables.js';
import { type NamedFolders, parseFolders } from './folder-param.js';
import { hasKernelFolder, inKernelFolder, isInside } from './path-jail.js';
import { profileOf } from './declaration-rules.js';
import { startsProgram } from './executor-kind.js';
import { parsePlaceholder } from './templates.js';

/** Where the catalogue finds itself. */
export interface Host {
  /** Relative roots and `cwd` start here. */
  readonly workingDirectory: string;
  /** Folders that programs are looked for in. */
  readonly folders: readonly string[];
  readonly variable: (name: string) => string | undefined;
}

export type Resolution =
  | { readonly kind: 'resolved'; readonly surroundings: Surroundings }
  /** The program of an `optional` command is not on this host. */
  | { readonly kind: 'absent'; readonly finding: Finding }
  | { readonly kind: 'mistaken'; readonly mistakes: readonly Finding[] };

/** Finds everything that a declaration refers to on this host, or everything that is missing or unfit. */
export async function resolveSurroundings(declaration: CommandDeclaration, host: Host): Promise<Resolution> {
  const mistakes: Finding[] = [];
  const report = (finding: Finding) => void mistakes.push(finding);
  const roots = await resolveRoots(declaration, host, report);
  const folders = await resolveNamed(declaration, host, report);
  const cwd = declaration.cwd === undefined ? '/' : await resolveFolder(declaration.cwd, ['cwd'], host, report);
  const { env, envSecrets } = resolveEnvironment(declaration, host, report);
  const missing: Finding[] = [];
  const documents = await resolveDocuments(declaration, host, (finding) => void missing.push(finding));
  const [absent] = declaration.optional ? missing : [];
  if (absent) return { kind: 'absent', finding: { ...absent, message: 'the folder is not there: the command is left out' } };
  mistakes.push(...missing);
  const sandbox = await resolveSandbox(declaration, host, { roots, folders, cwd }, report);
  const program = await resolveProgram(declaration, host);
  if ('message' in program) report(program);
  if (mistakes.length > 0) return { kind: 'mistaken', mistakes };
  if ('absent' in program) return { kind: 'absent', finding: program.absent };
  if ('file' in program)
    return { kind: 'resolved', surroundings: { file: program.file, cwd: cwd ?? '/', env, roots, folders, documents, envSecrets, sandbox } };
  return { kind: 'mistaken', mistakes };
}

type Report = (finding: Finding) => void;

async function resolveRoots(declaration: CommandDeclaration, host: Host, report: Report): Promise<ReadonlyMap<string, string>> {
  const roots = new Map<string, string>();
  for (const [name, param] of Object.entries(declaration.params)) {
    if (param.type !== 'path') continue;
    const root = await resolveFolder(param.root, ['params', name, 'root'], host, report);
    if (root !== undefined) roots.set(name, root);
  }
  return roots;
}

/** Folders of `folder` params, by param and name. */
async function resolveNamed({ params }: CommandDeclaration, host: Host, report: Report): Promise<ReadonlyMap<string, NamedFolders>> {
  const found = new Map<string, NamedFolders>();
  for (const [param, declared] of Object.entries(params)) {
    if (declared.type !== 'folder') continue;
    const path = ['params', param, 'folders'];
    const given = expandFolders(declared.folders, path, host, report);
    const pairs = await Promise.all(
      Object.entries(given).map(async ([name, text]) => [name, (await folderAt(text, path, host, report)) ?? ''] as const),
    );
    if (declared.default !== undefined && pairs.length > 0 && !Object.hasOwn(given, declared.default))
      report({ path: ['params', param, 'default'], message: `expected one of ${Object.keys(given).join(', ')}` });
    found.set(param, Object.fromEntries(pairs));
  }
  return found;
}

/** None where there is a mistake, which is reported. */
function expandFolders(folders: string | NamedFolders, path: Finding['path'], host: Host, report: Report): NamedFolders {
  if (typeof folders !== 'string') {
    const texts = Object.entries(folders).map(([name, text]) => [name, expand(text, [...path, name], host, report)?.text] as const);
    return Object.fromEntries(texts.filter((entry): entry is [string, string] => entry[1] !== undefined));
  }
  const expanded = expand(folders, path, host, report);
  const listed = expanded && parseFolders(expanded.text);
  if (expanded && !listed) report({ path, message: 'expected folders as name=folder, separated by commas, each name once' });
  return listed ?? {};
}

async function resolveDocuments({ knowledge }: CommandDeclaration, host: Host, report: Report): Promise<readonly string[]> {
  const folders = knowledge?.folders ?? [];
  const found = await Promise.all(folders.map((text, place) => resolveFolder(text, ['knowledge', 'folders', place], host, report)));
  return found.filter((folder) => folder !== undefined);
}

/** The roots of path params, named folders and the working folder are always to be seen: they are declared. */
async function resolveSandbox(
  declaration: CommandDeclaration,
  host: Host,
  { roots, folders, cwd }: Pick<Surroundings, 'roots' | 'folders'> & { readonly cwd: string | undefined },
  report: Report,
): Promise<Sandbox> {
  const { sandbox, effect } = declaration;
  const profile = profileOf(sandbox.profile, effect);
  if (profile === 'host' || !startsProgram(declaration)) return { profile, read: [], write: [] };
  const find = (kind: 'read' | 'write', resolve: typeof resolvePlace) =>
    Promise.all(
      sandbox[kind].map(async (text, index): Promise<Placed> => {
        const path = ['sandbox', kind, index];
        return { place: await resolve(text, path, host, report), path };
      }),
    );
  const [write, read] = [await find('write', resolveFolder), await find('read', resolvePlace)];
  const seen: Placed[] = [...roots].map(([name, place]) => ({ place, path: ['params', name, 'root'] }));
  for (const [name, named] of folders)
    for (const place of Object.values(named)) if (place !== '') seen.push({ place, path: ['params', name, 'folders'] });
  if (cwd !== '/') seen.push({ place: cwd, path: ['cwd'] });
  const isWritable = ({ place }: Placed) => place !== undefined && write.some((folder) => folder.place && isInside(folder.place, place));
  return { profile, read: shown([...read, ...seen.filter((one) => !isWritable(one))], report), write: shown(write, report) };
}

/** Something to be shown in a sandbox, and where the declaration says so. */
interface Placed {
  readonly place: string | undefined;
  readonly path: Finding['path'];
}

function shown(places: readonly Placed[], report: Report): readonly string[] {
  const found = places.flatMap(({ place, path }) => {
    if (place === undefined || !hasKernelFolder(place)) return place ?? [];
    report({ path, message: 'holds folders of the kernel, which no sandbox shows: name a folder below it, or the profile host' });
    return [];
  });
  return unique(found);
}

function unique(places: readonly string[]): readonly string[] {
  return [...new Set(places)].sort();
}

async function resolveFolder(text: string, path: Finding['path'], host: Host, report: Report): Promise<string | undefined> {
  const expanded = expand(text, path, host, report);
  return expanded && folderAt(expanded.text, path, host, report);
}

async function folderAt(text: string, path: Finding['path'], host: Host, report: Report): Promise<string | undefined> {
  const place = await placeAt(text, path, host, report);
  if (place === undefined || (await stat(place).catch(() => undefined))?.isDirectory()) return place;
  report({ path, message: 'expected a folder that exists' });
  return undefined;
}

/** A folder or a file. */
async function resolvePlace(text: string, path: Finding['path'], host: Host, report: Report): Promise<string | undefined> {
  const expanded = expand(text, path, host, report);
  return expanded && placeAt(expanded.text, path, host, report);
}

async function placeAt(text: string, path: Finding['path'], host: Host, report: Report): Promise<string | undefined> {
  const place = await realpath(resolve(host.workingDirectory, text)).catch(() => undefined);
  if (place !== undefined && !inKernelFolder(place)) return place;
  report({ path, message: place === undefined ? 'expected a folder that exists' : 'must not lie in a folder of the kernel' });
  return undefined;
}

function resolveEnvironment({ env }: CommandDeclaration, host: Host, report: Report) {
  const resolved: Record<string, string> = { ...baseEnvironment(host.folders) };
  const envSecrets: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (parsePlaceholder(text) !== undefined) continue;
    const expanded = expand(text, ['env', name], host, report);
    if (expanded === undefined) continue;
    resolved[name] = expanded.text;
    if (expanded.usesVariable && namesSecret(name)) envSecrets.push(expanded.text);
  }
  return { env: resolved, envSecrets };
}

function expand(text: string, path: Finding['path'], host: Host, report: Report) {
  const expansion = expandVariables(text, host.variable);
  switch (expansion.kind) {
    case 'expanded':
      return expansion;
    case 'missing':
      report({ path, message: `the variable ${expansion.name} is not set and has no default` });
      return undefined;
    case 'malformed':
      report({ path, message: 'expected variables as ${NAME} or ${NAME:-default}' });
      return undefined;
  }
}

async function resolveProgram(
  declaration: CommandDeclaration,
  host: Host,
): Promise<{ file: string | null } | { absent: Finding } | Finding> {
  const { exec, script, optional } = declaration;
  const program = script?.interpreter ?? exec?.[0];
  if (typeof program !== 'string') return { file: null };
  const path = script ? ['script', 'interpreter'] : ['exec', 0];
  const found = await findProgram(program, host.folders);
  switch (found.kind) {
    case 'found':
      return { file: found.file };
    case 'unsafe':
      return { path, message: found.reason };
    case 'missing':
      return optional
        ? { absent: { path, message: 'the program is not installed: the command is left out' } }
        : { path, message: 'the program is not installed, or not in a folder of PATH that is safe' };
  }
}
