import { sql } from 'kysely';
import type { KeyTokensRow } from '../schema.js';
import { compileQuery, pick, type Query } from './query.js';
import type { KeySpending } from './row-write.js';

/** The writer's queries for what bounded keys have had. */
export function usageQueries() {
  const query = <Input extends object, Row = unknown>(build: Query<Input, Row>) => compileQuery<Input, Row>(build);
  return {
    // Changes no row when a bound is reached. A clock that was set back counts on in the later day.
    spendKey: query<KeySpending>((db, given) =>
      db
        .insertInto('key_usage')
        .values({ key_id: given.key_id, day: given.day, day_runs: sql.lit(1), runs: sql.lit(1) })
        .onConflict((known) =>
          known
            .column('key_id')
            .doUpdateSet({
              day: sql`max(key_usage.day, ${given.day})`,
              day_runs: sql`case when key_usage.day < ${given.day} then 1 else key_usage.day_runs + 1 end`,
              runs: sql`key_usage.runs + 1`,
            })
            .where(
              sql<boolean>`(${given.budget} is null or key_usage.day < ${given.day} or key_usage.day_runs < ${given.budget})
                and (${given.calls} is null or key_usage.runs < ${given.calls})`,
            ),
        ),
    ),
    countTokens: query<KeyTokensRow>((db, given) =>
      db
        .insertInto('key_tokens')
        .values(pick(given, ['key_id', 'day', 'tokens']))
        .onConflict((known) =>
          known.column('key_id').doUpdateSet({
            day: sql`max(key_tokens.day, ${given.day})`,
            tokens: sql`case when key_tokens.day < ${given.day} then ${given.tokens} else key_tokens.tokens + ${given.tokens} end`,
          }),
        ),
    ),
  };
}
