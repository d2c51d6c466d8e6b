const NEWLINE = 10;

/** Takes a line, its end included, or a piece of one that is too long to be kept (`isWhole` is false for all of its pieces). */
export type TakeLine<Owner> = (owner: Owner, data: Buffer, isWhole: boolean) => void;

/** Parts a stream into lines, in bounded memory. A line belongs to whoever is the owner when its first byte comes. */
export class LineReader<Owner> {
  private readonly held: Buffer[] = [];
  private heldBytes = 0;
  private line: { readonly owner: Owner; isCut: boolean } | undefined;

  /** @param longest in bytes; with 0 every piece is handed on as it comes */
  constructor(
    private readonly longest: number,
    private readonly ownerNow: () => Owner,
    private readonly take: TakeLine<Owner>,
  ) {}

  /** @param data used at once, or copied */
  push(data: Buffer): void {
    for (let start = 0; start < data.length;) {
      const newline = data.indexOf(NEWLINE, start);
      const end = newline < 0 ? data.length : newline + 1;
      this.add(data.subarray(start, end), newline >= 0);
      start = end;
    }
  }

  /** Hands on what was no whole line yet. */
  end(): void {
    if (this.line) this.handOn(this.line, this.joined(), true);
  }

  private add(piece: Buffer, isEnd: boolean): void {
    const line = (this.line ??= { owner: this.ownerNow(), isCut: false });
    if (isEnd) return this.handOn(line, this.held.length === 0 ? piece : this.joined(piece), true);
    if (line.isCut || this.heldBytes + piece.length > this.longest) {
      line.isCut = true;
      return this.handOn(line, this.joined(piece), false);
    }
    this.held.push(Buffer.from(piece));
    this.heldBytes += piece.length;
  }

  private handOn(line: { readonly owner: Owner; readonly isCut: boolean }, data: Buffer, isEnd: boolean): void {
    if (isEnd) this.line = undefined;
    if (data.length > 0) this.take(line.owner, data, !line.isCut);
  }

  private joined(last?: Buffer): Buffer {
    const whole = Buffer.concat(last ? [...this.held, last] : this.held);
    this.held.length = 0;
    this.heldBytes = 0;
    return whole;
  }
}
