import { sql } from 'kysely';
import type { SecretRow } from '../schema.js';
import { compileQuery, pick, type Query } from './query.js';
import type { SecretsKeyChange } from './row-write.js';

const SECRET_COLUMNS = [
  'name',
  'version',
  'key_id',
  'wrapped_key',
  'sealed',
  'created_at',
  'updated_at',
] as const satisfies readonly (keyof SecretRow)[];

/** The writer's queries for secrets. */
export function secretQueries() {
  const query = <Input extends object, Row = unknown>(build: Query<Input, Row>) => compileQuery<Input, Row>(build);
  return {
    // Changes no row unless the version is the next one.
    putSecret: query<SecretRow>((db, given) =>
      db
        .insertInto('secrets')
        .values(pick(given, SECRET_COLUMNS))
        .onConflict((known) =>
          known
            .column('name')
            .doUpdateSet(pick(given, ['version', 'key_id', 'wrapped_key', 'sealed', 'updated_at']))
            .where('secrets.version', '=', sql<number>`${given.version} - 1`),
        ),
    ),
    removeSecret: query<{ name: string }>((db, given) => db.deleteFrom('secrets').where('name', '=', given.name)),
    rewrapSecret: query<SecretRow>((db, given) =>
      db
        .updateTable('secrets')
        .set(pick(given, ['key_id', 'wrapped_key']))
        .where('name', '=', given.name)
        .where('version', '=', given.version),
    ),
    insertSecretsKey: query<{ id: string }>((db, given) => db.insertInto('secrets_key').values({ slot: sql.lit(1), key_id: given.id })),
    changeSecretsKey: query<SecretsKeyChange>((db, given) =>
      db.updateTable('secrets_key').set({ key_id: given.after }).where('key_id', '=', given.before),
    ),
    strangeSecret: query<{ id: string }, { name: string }>((db, given) =>
      db.selectFrom('secrets').select('name').where('key_id', '!=', given.id).limit(1),
    ),
  };
}
