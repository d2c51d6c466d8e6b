import type { AuditRecord } from './audit.js';
import type { AuditCheckpoint } from './audit-checkpoint.js';
import type { IdempotencyClaim, IdempotencyRecord } from './idempotency.js';
import type { Freeze, FreezeId } from './policy.js';
import type { ApiKey, KeyChange } from './principal.js';
import type { OutputChunk, Run, RunId } from './run.js';
import type { SecretName, StoredSecret } from './secret.js';

/** A change to the store, as data. Rooms make them through their store or log; {@link Db.commit} carries them out. */
export type Write =
  /** A run that was accepted, or one that has ended already, with its output. */
  | { readonly kind: 'run.insert'; readonly run: Run; readonly output: readonly OutputChunk[] }
  /** Ends an open run, once: a run that is unknown or has ended is a `conflict`. */
  | { readonly kind: 'run.finish'; readonly run: Run; readonly output: readonly OutputChunk[] }
  /** Lets a run go that waits for approval, once: any other is a `conflict`. */
  | { readonly kind: 'run.approve'; readonly id: RunId }
  /** Forgets ended runs and their output. Open and unknown ones are left alone. */
  | { readonly kind: 'run.remove'; readonly ids: readonly RunId[] }
  /** Forgets the output of runs; the runs stay. */
  | { readonly kind: 'output.remove'; readonly ids: readonly RunId[] }
  /** Ties an idempotency key to a run: a `conflict` when the principal gave that key to a run since `freeBefore`. */
  | { readonly kind: 'idempotency.insert'; readonly record: IdempotencyRecord; readonly freeBefore: string }
  /** Frees keys that were given before an instant; others are left alone. */
  | {
      readonly kind: 'idempotency.remove';
      readonly keys: readonly Pick<IdempotencyClaim, 'principalId' | 'key'>[];
      readonly freeBefore: string;
    }
  | { readonly kind: 'key.insert'; readonly key: ApiKey }
  | { readonly kind: 'key.revoke'; readonly id: string; readonly at: string }
  | { readonly kind: 'audit.append'; readonly record: AuditRecord; readonly at: string }
  | { readonly kind: 'audit.checkpoint'; readonly checkpoint: AuditCheckpoint }
  /**
   * Sets a secret: a `conflict` unless its version is the next one, the store is under the master key `keyBefore` (null: under none
   * yet), and every other secret is under the same key as this one.
   */
  | { readonly kind: 'secret.put'; readonly secret: StoredSecret; readonly keyBefore: string | null }
  /** Forgets a secret: a `conflict` when there is none of that name. */
  | { readonly kind: 'secret.remove'; readonly name: SecretName }
  /** Puts all secrets under another master key: a `conflict` when they are not exactly these, or no longer under `keyBefore`. */
  | { readonly kind: 'secret.rewrap'; readonly secrets: readonly StoredSecret[]; readonly keyBefore: string; readonly keyAfter: string }
  /** A `conflict` when its target has a switch already. */
  | { readonly kind: 'freeze.insert'; readonly freeze: Freeze }
  | { readonly kind: 'freeze.remove'; readonly id: FreezeId }
  /** Notes the use of the secret of this generation. */
  | { readonly kind: 'key.touch'; readonly id: string; readonly at: string; readonly generation: number }
  /** A revoked or unknown key is a `conflict`. */
  | { readonly kind: 'key.change'; readonly id: string; readonly change: KeyChange }
  /** Gives a key another secret; the present one is its previous until `previousUntil`. A revoked or unknown key is a `conflict`. */
  | { readonly kind: 'key.rotate'; readonly id: string; readonly secretHash: string; readonly at: string; readonly previousUntil: string }
  /** Counts a run against the bounds of a key; `conflict` when they are reached. `day` as in KeyUsage. */
  | {
      readonly kind: 'key.spend';
      readonly id: string;
      readonly day: string;
      readonly budget: number | null;
      readonly calls: number | null;
    }
  /** Counts tokens that a key has taken: they are gone, whatever its bound. `day` as in TokenUsage. */
  | { readonly kind: 'key.tokens'; readonly id: string; readonly day: string; readonly tokens: number };

/** The store as a place to write to. Whoever owns a rule decides what belongs into one transaction. */
export abstract class Db {
  /**
   * Carries out all writes in order, or none of them. When the promise resolves they are durable (fsynced).
   * Commits that wait at the same time share one fsync. Without writes it proves that the store can be written.
   * @throws GatewayError `storage_unavailable` when the store cannot be written, with `inDoubt` where it may have been all the same;
   *   `conflict` when a row exists already; `budget_used_up` when a key has had its runs
   */
  abstract commit(writes: readonly Write[]): Promise<void>;
}

/** Whether the store takes writes, as probes ask it. */
export abstract class WriteHealth {
  /** Resolves when the last commit was written. After a failed one it tries a small write, so that health returns without traffic. */
  abstract checkWritable(): Promise<void>;
}
