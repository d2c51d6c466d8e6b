import type { Role } from '../domain/principal.js';

/** Of every command that works here or at a server. */
export interface RemoteOptions {
  readonly url?: string;
  readonly json?: boolean;
}

export interface CreateKeyOptions extends RemoteOptions {
  readonly role: Role;
  readonly scope?: string[];
  readonly expiresIn?: string;
  readonly address?: string[];
  readonly rate?: string;
  readonly budget?: string;
}

export interface RotateKeyOptions extends RemoteOptions {
  readonly overlap?: string;
}

export interface RunOptions extends RemoteOptions {
  readonly text?: string;
  readonly idempotencyKey?: string;
}
