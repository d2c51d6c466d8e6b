import {
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  ValueNode,
  type Compilable,
  type LimitNode,
} from 'kysely';
import type { Schema } from '../schema.js';
import type { CompiledQuery, Given } from './statement.js';

/** SQLite plans a query anew for each value that is bound to its limit: limits that are always the same are written out. */
class QueryCompiler extends SqliteQueryCompiler {
  protected override visitLimit(node: LimitNode): void {
    const { limit } = node;
    const isConstant = ValueNode.is(limit) && typeof limit.value === 'number';
    super.visitLimit(isConstant ? { ...node, limit: ValueNode.createImmediate(limit.value) } : node);
  }
}

/** Builds queries and runs none: the queries are Kysely's, their execution is a prepared statement of better-sqlite3. */
const builder = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new QueryCompiler(),
  },
});

/** Any property is the mark of that name; typed as the value it stands for, since that is what the query builder checks. */
const marks = new Proxy({}, { get: (_target, name): Given => ({ given: String(name) }) });

/** A query over the tables, with `given.name` wherever the value `name` of the input belongs. */
export type Query<Input, Row> = (db: Kysely<Schema>, given: Required<Input>) => Compilable<Row>;

export function compileQuery<Input extends object, Row>(query: Query<Input, Row>): CompiledQuery<Input, Row> {
  const { sql, parameters } = query(builder, marks as Required<Input>).compile();
  return { sql, parameters: parameters as CompiledQuery<Input, Row>['parameters'] };
}

/** The marks of these columns, for the values of an insert or an update. */
export function pick<Row, Column extends keyof Row>(given: Row, columns: readonly Column[]): Pick<Row, Column> {
  return Object.fromEntries(columns.map((column) => [column, given[column]])) as Pick<Row, Column>;
}
