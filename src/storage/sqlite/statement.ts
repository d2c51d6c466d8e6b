import type Database from 'better-sqlite3';
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, type Compilable } from 'kysely';
import type { Schema } from '../schema.js';

/** Builds queries and runs none: the queries are Kysely's, their execution is a prepared statement of better-sqlite3. */
const builder = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** Stands in a query for a value that each execution gives anew. */
class Marker {
  constructor(readonly name: string) {}
}

/** Any property is the marker of that name; typed as the value it stands for, since that is what the query builder checks. */
const markers = new Proxy({}, { get: (_target, name) => new Marker(String(name)) });

/** A query over the tables, with `given.name` wherever the value `name` of the input belongs. */
export type Query<Input, Row> = (db: Kysely<Schema>, given: Required<Input>) => Compilable<Row>;

/** A query compiled once, prepared at its first use, and then only bound and stepped. */
export class Statement<Input extends object, Row> {
  private prepared: Database.Statement | undefined;
  private readonly sql: string;
  private readonly parameters: readonly unknown[];

  constructor(
    private readonly database: () => Database.Database,
    query: Query<Input, Row>,
  ) {
    ({ sql: this.sql, parameters: this.parameters } = query(builder, markers as Required<Input>).compile());
  }

  first(input: Input): Row | undefined {
    return this.statement().get(...this.bound(input)) as Row | undefined;
  }

  all(input: Input): Row[] {
    return this.statement().all(...this.bound(input)) as Row[];
  }

  /** Says how many rows changed. */
  run(input: Input): number {
    return this.statement().run(...this.bound(input)).changes;
  }

  private statement(): Database.Statement {
    return (this.prepared ??= this.database().prepare(this.sql));
  }

  private bound(input: Input): unknown[] {
    const values = input as Readonly<Record<string, unknown>>;
    return this.parameters.map((parameter) => (parameter instanceof Marker ? values[parameter.name] : parameter));
  }
}
