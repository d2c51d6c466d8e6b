/** A small mistake that somebody could make, and the test that would tell them. `npm run test:planted` makes it and looks. */
export interface PlantedBug {
  /** Rows of `promises.ts` that it would break. */
  readonly rows: readonly string[];
  /** The mistake in words, as an ending of "what if …". */
  readonly bug: string;
  /** The file that has it, from the root of the repository. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** The file of the test that must fail, from the root of the repository. */
  readonly test: string;
  /** Part of the title of the test, or of the group that it is in. */
  readonly title: string;
}
