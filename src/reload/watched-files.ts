import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A file that was changed so shortly ago may be changed again within the same tick of the kernel's clock, and look the same. */
export const YOUNG_MS = 20;

/** How files look at one moment: another state, another text. */
export interface Look {
  readonly text: string;
  /** Whether one of them may have changed since without a trace. */
  readonly isYoung: boolean;
}

/** Where the configuration is read from. */
export interface Places {
  /** Folder of the catalogue files. */
  readonly directory: string;
  readonly files: readonly string[];
}

/**
 * Looks at the files themselves, through all symlinks, and reads none of them. So it sees what notices of the kernel about a folder
 * do not tell: a link above it that points elsewhere, a folder that was made anew, a file on a network.
 */
export async function lookAt({ directory, files }: Places): Promise<Look> {
  const names = (await readdir(directory).catch(reasonOf)).filter((name) => /\.ya?ml$/.test(name)).sort();
  const paths = [...names.map((name) => join(directory, name)), ...files];
  const now = Date.now();
  const looks = await Promise.all(paths.map((path) => lookAtFile(path, now)));
  const folder = await realpath(directory).catch(() => 'none');
  return {
    text: [folder, ...looks.map(({ text }, index) => `${paths[index]} ${text}`)].join('\n'),
    isYoung: looks.some(({ isYoung }) => isYoung),
  };
}

async function lookAtFile(path: string, now: number): Promise<Look> {
  try {
    const { dev, ino, size, mode, mtimeNs, ctimeNs, ctimeMs } = await stat(path, { bigint: true });
    const age = now - Number(ctimeMs);
    return { text: [dev, ino, size, mode, mtimeNs, ctimeNs].join(' '), isYoung: age > -YOUNG_MS && age < YOUNG_MS };
  } catch (error) {
    return { text: String((error as NodeJS.ErrnoException).code), isYoung: false };
  }
}

/** In place of names: what kept them from being read. */
function reasonOf(error: unknown): string[] {
  return [`${(error as NodeJS.ErrnoException).code}.yaml`];
}
