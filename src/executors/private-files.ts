import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessInvocation } from '../domain/command.js';

/** Files that live as long as one run, readable by our user alone. */
export interface PrivateFiles {
  /** argv with the paths in the places of their placeholders. */
  readonly argv: readonly string[];
  /** The folder that they are in; null when there are none. */
  readonly folder: string | null;
  remove(): Promise<void>;
}

/**
 * Writes the private files of an invocation (0600) into a new folder (0700) under `parent`, which is made when it is not there.
 * On failure nothing is left behind.
 * @throws the file system's error
 */
export async function writePrivateFiles({ argv, files }: ProcessInvocation, parent: string): Promise<PrivateFiles> {
  if (files.length === 0) return { argv, folder: null, remove: () => Promise.resolve() };
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(parent, 'sallyport-'));
  const remove = () => removeFolder(folder);
  try {
    const paths = new Map(files.map(({ placeholder }, index) => [placeholder, join(folder, String(index))]));
    for (const { placeholder, content } of files) await writeFile(paths.get(placeholder) as string, content, { mode: 0o600, flag: 'wx' });
    return { argv: argv.map((element) => replacePlaceholder(element, paths)), folder, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Replaces once, by position: an argument that merely contains a placeholder is left as it is. */
function replacePlaceholder(element: string, paths: ReadonlyMap<string, string>): string {
  const whole = paths.get(element);
  if (whole !== undefined) return whole;
  const equals = element.startsWith('--') ? element.indexOf('=') : -1;
  const tail = equals < 0 ? undefined : paths.get(element.slice(equals + 1));
  return tail === undefined ? element : element.slice(0, equals + 1) + tail;
}

/** Never rejects: what a command did to its folder is no failure of its run. Says so in a process warning when files remain. */
async function removeFolder(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch {
    await removeProtected(folder);
  }
}

/** The command may have taken our own permissions away. */
async function removeProtected(folder: string): Promise<void> {
  try {
    await chmod(folder, 0o700);
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    process.emitWarning('Private files of a run could not be removed.', { code: 'SALLYPORT_PRIVATE_FILES', detail: String(error) });
  }
}
