import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';

export type ProgramFinding =
  { readonly kind: 'found'; readonly file: string } | { readonly kind: 'missing' } | { readonly kind: 'unsafe'; readonly reason: string };

const ANYONE_MAY_WRITE = 0o002;

/**
 * The folders of a PATH that programs may come from, in order: absolute, existing, and not writable by everybody.
 * Empty and relative entries mean the working directory of the moment, which is no place for programs.
 */
export async function safeFolders(searchPath: string): Promise<readonly string[]> {
  const entries = [...new Set(searchPath.split(':').filter(isAbsolute))];
  const safe = await Promise.all(entries.map((folder) => isSafeFolder(folder)));
  return entries.filter((_, index) => safe[index]);
}

/** Finds a program as `execvp` would, but only in safe places. A name with a slash must be absolute. */
export async function findProgram(program: string, folders: readonly string[]): Promise<ProgramFinding> {
  if (isAbsolute(program)) return (await isExecutableFile(program)) ? judge(program) : { kind: 'missing' };
  if (program.includes('/')) return { kind: 'unsafe', reason: 'expected the name of a program or an absolute path' };
  for (const folder of folders) {
    const file = join(folder, program);
    if (await isExecutableFile(file)) return judge(file);
  }
  return { kind: 'missing' };
}

async function judge(file: string): Promise<ProgramFinding> {
  const real = await realpath(file).catch(() => undefined);
  if (real === undefined) return { kind: 'missing' };
  const places = await Promise.all([isSafeFolder(dirname(file)), isSafeFolder(dirname(real)), isSafeFile(real)]);
  return places.every(Boolean)
    ? { kind: 'found', file }
    : { kind: 'unsafe', reason: 'the program can be replaced by any user of this host' };
}

async function isSafeFolder(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  return found !== undefined && found.isDirectory() && (found.mode & ANYONE_MAY_WRITE) === 0;
}

async function isSafeFile(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found !== undefined && (found.mode & ANYONE_MAY_WRITE) === 0;
}

async function isExecutableFile(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
