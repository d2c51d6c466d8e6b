import { randomFillSync } from 'node:crypto';

/** The system is asked for random bytes once for many requests. */
const POOL = Buffer.alloc(4_080);
let taken = POOL.length;

/** Hex of so many random bytes. */
export function randomHex(bytes: number): string {
  const start = take(bytes);
  return POOL.toString('hex', start, start + bytes);
}

export function randomUint32(): number {
  return POOL.readUInt32LE(take(4));
}

/** Where in the pool the bytes lie that nobody else gets. */
function take(bytes: number): number {
  if (taken + bytes > POOL.length) {
    randomFillSync(POOL);
    taken = 0;
  }
  taken += bytes;
  return taken - bytes;
}
