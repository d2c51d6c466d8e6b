import type { Page } from './audit.js';
import type { CommandName } from './command.js';
import type { IdempotencyKey, IdempotencyRecord } from './idempotency.js';
import type { Freeze } from './policy.js';
import type { ApiKey, KeyUsage, PrincipalId, TokenUsage } from './principal.js';
import type { OutputChunk, Run, RunId, RunStatus } from './run.js';

export interface RunQuery {
  /** Only runs of this principal; absent: all. */
  readonly principalId?: PrincipalId;
  readonly command?: CommandName;
  readonly status?: RunStatus;
  readonly limit: number;
  /** Continue after this cursor (`nextCursor` of the page before). */
  readonly cursor?: RunId;
}

/** As much of a run as counting takes. */
export type RunGist = Pick<Run, 'id' | 'command' | 'status' | 'finishedAt'>;

/** How much history is kept. */
export interface Retention {
  /** Runs that finished before this instant go. */
  readonly before: string;
  readonly maxRuns: number;
  readonly maxOutputBytes: number;
}

/** The run history. Writing goes through {@link Db}. */
export abstract class RunStore {
  abstract find(id: RunId): Promise<Run | undefined>;
  /** Newest first. */
  abstract page(query: RunQuery): Promise<Page<Run>>;
  /** Runs accepted after the one of this id, which need not exist; oldest first, at most `limit` of them. */
  abstract gists(query: Pick<RunQuery, 'principalId' | 'limit'> & { readonly after: RunId }): Promise<readonly RunGist[]>;
  /** All output of an ended run, in order; empty when it had none or retention removed it. */
  abstract output(id: RunId): Promise<readonly OutputChunk[]>;
  /** Runs that a gateway accepted and never closed, and whose gateway no longer lives. */
  abstract orphans(): Promise<readonly Run[]>;
  /** Removes old history, a bounded piece at a time; says how many runs went. Audit entries stay. */
  abstract prune(retention: Retention): Promise<number>;
}

/** Which runs idempotency keys stand for. Writing goes through {@link Db}. */
export abstract class IdempotencyStore {
  /** Whatever is stored, however old. */
  abstract find(principalId: PrincipalId, key: IdempotencyKey): Promise<IdempotencyRecord | undefined>;
  /** Frees keys that were given before this instant, a bounded piece at a time; says how many. */
  abstract prune(freeBefore: string): Promise<number>;
}

/** The freeze switches. Writing goes through {@link Db}. */
export abstract class FreezeStore {
  /** Oldest first. */
  abstract list(): Promise<readonly Freeze[]>;
}

/** The keys. Writing goes through {@link Db}. */
export abstract class KeyStore {
  abstract find(id: PrincipalId): Promise<ApiKey | undefined>;
  /** Oldest first. */
  abstract list(): Promise<readonly ApiKey[]>;
  /** Oldest first, ended ones too. `cursor`: the id after which to go on. */
  abstract page(query: { readonly limit: number; readonly cursor?: PrincipalId; readonly parentId?: PrincipalId }): Promise<Page<ApiKey>>;
  /** Every key that was made from this one, from its children, and so on. */
  abstract descendants(id: PrincipalId): Promise<readonly ApiKey[]>;
  /** Undefined for a key that has run nothing since it was bounded. */
  abstract usage(id: PrincipalId): Promise<KeyUsage | undefined>;
  /** Undefined for a key that has taken no tokens since it was bounded. */
  abstract tokens(id: PrincipalId): Promise<TokenUsage | undefined>;
}
