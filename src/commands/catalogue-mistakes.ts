/** Something found in a catalogue file. `path` is dotted from the top of the file; `message` never shows a value that came from a variable. */
export interface CatalogueFinding {
  /** As a person would type it: relative to the working directory where that is shorter. */
  readonly file: string;
  /** From 1; 0 when the finding is about the file or folder as a whole. */
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

/** A finding before it has a place in a file: where in the data, and what. */
export interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** `commands/git.yaml:12:7 commands.git.log.params.count: …`, the form editors and terminals make clickable. */
export function formatFinding({ file, line, column, path, message }: CatalogueFinding): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return path === '' ? `${place}: ${message}` : `${place} ${path}: ${message}`;
}

/** Order of reading: by file, then from top to bottom. */
export function compareFindings(a: CatalogueFinding, b: CatalogueFinding): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

/** Every mistake in the catalogue, in order of reading. */
export class CatalogueMistakes extends Error {
  override readonly name = 'CatalogueMistakes';

  constructor(readonly mistakes: readonly CatalogueFinding[]) {
    super(
      `The catalogue has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n` +
        mistakes.map((mistake) => `  ${formatFinding(mistake)}`).join('\n'),
    );
  }
}
