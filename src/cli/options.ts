import type { Role } from '../domain/principal.js';

export const URL_OPTION = ['--url <url>', 'a running server; SALLYPORT_KEY holds the key'] as const;

/** Of every command that works here or at a server. */
export interface RemoteOptions {
  readonly url?: string;
  readonly json?: boolean;
}

export interface DoctorOptions extends RemoteOptions {
  readonly canary?: boolean;
}

/** Of new keys and changed ones. */
export interface KeyTermsOptions {
  readonly role?: Role;
  readonly scope?: string[];
  readonly expiresIn?: string;
  readonly address?: string[];
  readonly rate?: string;
  readonly budget?: string;
  readonly tokens?: string;
}

export interface CreateKeyOptions extends RemoteOptions, KeyTermsOptions {
  /** The key that it is made from. */
  readonly parent?: string;
  readonly pin?: string[];
  readonly calls?: string;
}

export interface ChangeKeyOptions extends RemoteOptions, KeyTermsOptions {
  readonly name?: string;
}

export interface ListKeysOptions extends RemoteOptions {
  readonly parent?: string;
}

export interface RotateKeyOptions extends RemoteOptions {
  readonly overlap?: string;
}

export interface RotateOptions {
  readonly newKeyFile?: string;
  readonly json?: boolean;
}

export interface PlanOptions extends RemoteOptions {
  readonly text?: string;
}

export interface RunOptions extends PlanOptions {
  /** A plan of the server. */
  readonly plan?: string;
  readonly idempotencyKey?: string;
}

export interface FreezeOptions extends RemoteOptions {
  readonly all?: boolean;
  readonly command?: string;
  readonly key?: string;
  readonly reason: string;
  readonly stop?: boolean;
}

export interface ApproveOptions extends RemoteOptions {
  readonly fingerprint: string;
}

export interface ExplainOptions extends RemoteOptions {
  readonly key?: string;
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

/** For options that may be given again. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
