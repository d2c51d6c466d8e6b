import type Database from 'better-sqlite3';

/** A query as text: plain data, which another thread can prepare as well. */
export interface CompiledQuery<Input extends object, Row> {
  readonly sql: string;
  readonly parameters: readonly (Given | string | number | bigint | null)[];
  /** Types only: what it takes and what it yields. */
  readonly signature?: (input: Input) => Row;
}

/** Stands among the parameters for a value that each execution gives anew. */
export interface Given {
  readonly given: string;
}

/** A compiled query of one connection, prepared at its first use, and then only bound and stepped. */
export class Statement<Input extends object, Row> {
  private prepared: Database.Statement | undefined;

  constructor(
    private readonly database: () => Database.Database,
    private readonly query: CompiledQuery<Input, Row>,
  ) {}

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

  /** The same where all parameters are given: takes them in their order. */
  runWith(values: readonly unknown[]): number {
    return this.statement().run(values).changes;
  }

  private statement(): Database.Statement {
    return (this.prepared ??= this.database().prepare(this.query.sql));
  }

  private bound(input: Input): unknown[] {
    const values = input as Readonly<Record<string, unknown>>;
    return this.query.parameters.map((parameter) => (isGiven(parameter) ? values[parameter.given] : parameter));
  }
}

function isGiven(parameter: unknown): parameter is Given {
  return typeof parameter === 'object' && parameter !== null;
}
