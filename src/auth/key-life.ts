import type { ApiKey } from '../domain/principal.js';

/** Instants compare as text: all are ISO-8601 UTC with milliseconds. */
export function isExpired(key: ApiKey, now: string): boolean {
  return key.expiresAt !== null && key.expiresAt <= now;
}

/** Whether the key opens the door at this instant. */
export function isAlive(key: ApiKey, now: string): boolean {
  return key.revokedAt === null && !isExpired(key, now);
}

/** Whether the secret of this generation was replaced by a rotation and is still taken. */
export function isInOverlap({ generation, previous }: ApiKey, asked: number, now: string): boolean {
  return asked === generation - 1 && previous !== null && now < previous.validUntil;
}
