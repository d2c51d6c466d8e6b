import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostNeeds } from './sandbox-builder.js';

/** What a host in a sandbox needs to see of the gateway's program: Node, this folder, the words it speaks, the FFI. */
export const HOST_NEEDS = hostNeeds();

function hostNeeds(): HostNeeds {
  const here = dirname(fileURLToPath(import.meta.url));
  const koffi = dirname(fileURLToPath(import.meta.resolve('koffi')));
  const manifest = ['../../package.json', '../../../package.json'].map((path) => join(here, path));
  const files = [process.execPath, here, join(here, '../domain'), koffi, join(koffi, '../@koromix'), ...manifest].filter((path) =>
    existsSync(path),
  );
  const found = foundFrom(here);
  // Node looks where the folder is expected, and it may be a link, to a store of packages.
  return { files, links: found === undefined || found === koffi ? new Map() : new Map([[found, koffi]]) };
}

/** Where the FFI is found, links not followed. */
function foundFrom(folder: string): string | undefined {
  const place = join(folder, 'node_modules/koffi');
  if (existsSync(place)) return place;
  return dirname(folder) === folder ? undefined : foundFrom(dirname(folder));
}
