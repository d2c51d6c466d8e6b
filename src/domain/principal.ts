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
  readonly lastUsedAt: string | null;
}
