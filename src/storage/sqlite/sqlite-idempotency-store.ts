import { setImmediate } from 'node:timers/promises';
import type { Db } from '../../domain/db.js';
import type { IdempotencyKey, IdempotencyRecord } from '../../domain/idempotency.js';
import type { PrincipalId } from '../../domain/principal.js';
import { IdempotencyStore } from '../../domain/stores.js';
import { idempotencyOf, type IdempotencyRow } from '../schema.js';
import type { SqliteReader } from './sqlite-reader.js';

/** Keys freed in one commit. */
const PIECE = 500;

export class SqliteIdempotencyStore extends IdempotencyStore {
  private readonly byKey;
  private readonly old;

  constructor(
    reader: SqliteReader,
    private readonly db: Db,
  ) {
    super();
    this.byKey = reader.statement<Pick<IdempotencyRow, 'principal_id' | 'key'>, IdempotencyRow>((builder, given) =>
      builder.selectFrom('idempotency_keys').selectAll().where('principal_id', '=', given.principal_id).where('key', '=', given.key),
    );
    this.old = reader.statement<{ before: string }, IdempotencyRow>((builder, given) =>
      builder.selectFrom('idempotency_keys').selectAll().where('created_at', '<', given.before).orderBy('created_at').limit(PIECE),
    );
  }

  async find(principalId: PrincipalId, key: IdempotencyKey): Promise<IdempotencyRecord | undefined> {
    const row = this.byKey.first({ principal_id: principalId, key });
    return row && idempotencyOf(row);
  }

  async prune(freeBefore: string): Promise<number> {
    for (let freed = 0; ; await setImmediate()) {
      const keys = this.old.all({ before: freeBefore }).map(idempotencyOf);
      if (keys.length > 0) await this.db.commit([{ kind: 'idempotency.remove', keys, freeBefore }]);
      freed += keys.length;
      if (keys.length < PIECE) return freed;
    }
  }
}
