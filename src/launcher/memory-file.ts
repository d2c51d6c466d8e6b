import type { Libc } from './libc.js';

const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE */
const SEALS = 0x0f;
/** MFD_CLOEXEC | MFD_ALLOW_SEALING */
const SEALABLE = 0x03;

/**
 * A file that is nowhere but in memory, for a program to read its stdin from: nobody has to feed it, and nobody can change it.
 * @returns its descriptor; negative where it could not be made, for the reason in errno
 */
export function memoryFile(libc: Libc, text: string): number {
  const descriptor = libc.memfd_create('stdin', SEALABLE);
  if (descriptor < 0) return descriptor;
  for (let rest = Buffer.from(text); rest.length > 0;) {
    const written = Number(libc.write(descriptor, rest, rest.length));
    if (written <= 0) {
      libc.close(descriptor);
      return -1;
    }
    rest = rest.subarray(written);
  }
  libc.lseek(descriptor, 0, 0);
  libc.fcntl(descriptor, F_ADD_SEALS, SEALS);
  return descriptor;
}
