import { pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

const UNPACKERS: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
]);

/** What is asked for. */
export const PACKINGS = 'gzip, deflate, br';

/**
 * The body as it was before it was packed (RFC 9110, 8.4), piece by piece as it is read: what is packed small and unpacks huge is found
 * while it unpacks. Undefined for a packing that nobody asked for.
 * @param packing value of `Content-Encoding`, undefined where there is nothing to unpack
 */
export function unpacked(body: Readable, packing: string | undefined): Readable | undefined {
  if (packing === undefined || packing === '' || packing === 'identity') return body;
  const unpack = UNPACKERS.get(packing.toLowerCase());
  // Whoever reads the last stream is told what goes wrong in any of them.
  return unpack && pipeline(body, unpack(), () => undefined);
}
