import { lstat, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';

/** What a `path` param asks for. `root` is absolute and free of symlinks. */
export interface Jail {
  readonly root: string;
  readonly mustExist: boolean;
  readonly kind: 'file' | 'directory' | 'any';
}

export type JailVerdict = { readonly path: string } | { readonly refusal: string };

const OUTSIDE: JailVerdict = { refusal: 'must stay inside the folder this command works in' };
const UNREACHABLE: JailVerdict = { refusal: 'cannot be reached' };

/** Kernel interfaces that look like folders: their files open doors to other processes and to the machine. */
const KERNEL_FOLDERS = ['/proc', '/sys'];

/**
 * The absolute real path that `text` means inside the jail, symlinks resolved; or why it may not be used.
 * Nothing outside the root is looked at on behalf of a path that leaves it by its text alone, and the answer is the same
 * whether something is there or not. What happens to the file system after this check is beyond it: whoever can
 * replace folders inside the root while a command starts can redirect it.
 */
export async function resolveInJail(text: string, { root, mustExist, kind }: Jail): Promise<JailVerdict> {
  const wanted = resolve(root, text);
  if (!isInside(root, wanted)) return OUTSIDE;
  try {
    const path = await realPathOf(wanted);
    if (path === undefined) return UNREACHABLE;
    if (!isInside(root, path) || inKernelFolder(path)) return OUTSIDE;
    return await checkKind(path, mustExist, kind);
  } catch {
    return UNREACHABLE;
  }
}

/** Whether `path` is `folder` or lies in it. Both absolute. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/** Whether a sandbox that showed it would show what the kernel offers to the host: processes, settings, devices. */
export function hasKernelFolder(path: string): boolean {
  return [...KERNEL_FOLDERS, '/dev'].some((folder) => isInside(path, folder) || isInside(folder, path));
}

export function inKernelFolder(path: string): boolean {
  return KERNEL_FOLDERS.some((folder) => isInside(folder, path));
}

/** The real path of the deepest part that exists, with the rest appended; undefined when a symlink leads nowhere. */
async function realPathOf(wanted: string): Promise<string | undefined> {
  for (let existing = wanted; ; existing = dirname(existing)) {
    const real = await unlessMissing(realpath(existing));
    if (real !== undefined) return resolve(real, relative(existing, wanted));
    if ((await unlessMissing(lstat(existing))) !== undefined) return undefined;
  }
}

async function checkKind(path: string, mustExist: boolean, kind: Jail['kind']): Promise<JailVerdict> {
  const found = await unlessMissing(stat(path));
  if (found === undefined) return mustExist ? { refusal: 'does not exist' } : { path };
  if (found.isFile() && kind !== 'directory') return { path };
  if (found.isDirectory() && kind !== 'file') return { path };
  return { refusal: `must be a ${kind === 'any' ? 'file or directory' : kind}` };
}

async function unlessMissing<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
