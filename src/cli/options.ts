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

export interface RotateOptions {
  readonly newKeyFile?: string;
  readonly json?: boolean;
}

export interface RunOptions extends RemoteOptions {
  readonly text?: string;
  readonly idempotencyKey?: string;
}

export interface VerifyAuditOptions extends RemoteOptions {
  /** An ndjson export, instead of the database. */
  readonly file?: string;
  /** A file of signed notes. */
  readonly checkpoint?: string;
  readonly publicKey?: string[];
}

export interface ExportAuditOptions extends RemoteOptions {
  readonly format: 'ndjson' | 'csv';
}
