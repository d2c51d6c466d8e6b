import type { Rate } from './rate.js';

/** What a key may do, lowest first: `readonly` looks, `operator` runs, `admin` manages. */
export const ROLES = ['readonly', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Whether a holder of `role` may do what `needed` asks for. */
export function roleAtLeast(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** Public id of a key (12 base62 characters), or `local` for a person at the command line of the host. */
export type PrincipalId = string;

/** Who asks. Made by the authenticator alone; everything behind the door trusts it. */
export interface Principal {
  readonly id: PrincipalId;
  readonly name: string;
  readonly role: Role;
  /** Globs over command names (`git.*`); a command outside all of them does not exist for this principal. */
  readonly scopes: readonly string[];
  /** Address of the caller as the trusted-proxy rule gives it; `local` for the command line. */
  readonly address: string;
  /** Which of its key's secrets it came with, counted from 0; absent at the command line. */
  readonly generation?: number;
  /** What its key is bound to beside role and scopes; absent where it is bound to nothing. */
  readonly bounds?: KeyBounds;
}

/** The key of the principal, the one that it was made from as a child, and so on. */
export function lineOf(principal: Pick<Principal, 'id' | 'bounds'>): readonly PrincipalId[] {
  const parent = principal.bounds?.parent;
  return parent ? [principal.id, ...lineOf(parent)] : [principal.id];
}

/** By command and param, values that a key gives its holder: no others may be sent. Raw, as a request would have them. */
export type PinnedArguments = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** What a key is bound to; null where it is not. */
export interface KeyBounds {
  /** Requests, instead of what all keys may make. */
  readonly rate: Rate | null;
  /** Runs a day (UTC). */
  readonly budget: number | null;
  /** Runs in all. */
  readonly calls: number | null;
  /** Tokens of language models a day (UTC). */
  readonly tokens: number | null;
  readonly pins: PinnedArguments;
  /** The holder of the key that this one was made from: what it may not do, its children may not. Its address is the child's. */
  readonly parent: Principal | null;
}

/** A stored API key. The secret itself is never stored: `secretHash` is SHA-256 over it, 32 bytes, hex. */
export interface ApiKey {
  readonly id: PrincipalId;
  readonly secretHash: string;
  readonly name: string;
  readonly role: Role;
  readonly scopes: readonly string[];
  /** Instants are ISO-8601 UTC with milliseconds, everywhere. */
  readonly createdAt: string;
  readonly createdBy: PrincipalId;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  /** Of the present secret. */
  readonly lastUsedAt: string | null;
  /** Addresses and CIDR ranges that it may be used from; null: from anywhere. */
  readonly addresses: readonly string[] | null;
  readonly rate: Rate | null;
  readonly budget: number | null;
  readonly calls: number | null;
  readonly tokens: number | null;
  readonly pins: PinnedArguments;
  readonly parentId: PrincipalId | null;
  /** How often it was rotated, which numbers its present secret. */
  readonly generation: number;
  readonly rotatedAt: string | null;
  /** The secret before the present one, while it is known; null for a key that was never rotated. */
  readonly previous: PreviousSecret | null;
}

export interface PreviousSecret {
  readonly secretHash: string;
  /** From this instant on it opens nothing. */
  readonly validUntil: string;
  readonly lastUsedAt: string | null;
}

/** What of a key may be changed after it was made. */
export type KeyChange = Pick<ApiKey, 'name' | 'role' | 'scopes' | 'expiresAt' | 'addresses' | 'rate' | 'budget' | 'tokens'>;

/** What a key that is bound to a number of tokens has taken of them. */
export interface TokenUsage {
  /** UTC date: the last day on which it took any. */
  readonly day: string;
  readonly tokens: number;
}

/** How many runs a bounded key has had. */
export interface KeyUsage {
  /** UTC date, `2026-01-31`: the last day on which it ran something. */
  readonly day: string;
  readonly dayRuns: number;
  /** Since it was bounded. */
  readonly runs: number;
}
