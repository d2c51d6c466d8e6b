/** A piece of a document that answers for itself: what is found, shown and cited. */
export interface Passage {
  /** Headings that it stands under, outermost first, joined by ` › `; empty before the first. */
  readonly heading: string;
  /** Where it begins, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Characters of a passage: enough for a whole thought, few enough to be read. A longer paragraph is cut between words. */
const LONGEST = 1_200;
const FENCE = /^\s{0,3}(`{3,}|~{3,})/;
const HEADING = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;

/** Cuts a text where its headings and blank lines are. `markdown`: whether lines that begin with `#` are headings. */
export function passagesOf(text: string, markdown: boolean): readonly Passage[] {
  const cutter = new Cutter();
  let fence = '';
  for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
    const mark = markdown ? (FENCE.exec(line)?.[1] ?? '') : '';
    if (mark !== '' && (fence === '' || closes(mark, fence))) fence = fence === '' ? mark : '';
    const heading = markdown && fence === '' && mark === '' ? HEADING.exec(line) : null;
    if (heading) cutter.head(heading[1]?.length ?? 1, heading[2] ?? '');
    else cutter.take(line, index + 1, fence !== '');
  }
  return cutter.end();
}

/** The first heading of a Markdown text, where it has one. */
export function titleOf(text: string): string | undefined {
  return /^\s{0,3}#\s+(.+?)\s*#*\s*$/m.exec(text)?.[1];
}

function closes(mark: string, fence: string): boolean {
  return mark[0] === fence[0] && mark.length >= fence.length;
}

/** Collects lines into passages. */
class Cutter {
  private readonly passages: Passage[] = [];
  private readonly headings: string[] = [];
  private lines: string[] = [];
  private length = 0;
  private firstLine = 1;

  head(level: number, title: string): void {
    this.cut();
    this.headings.length = Math.min(this.headings.length, level - 1);
    this.headings[level - 1] = title;
  }

  take(line: string, number: number, inFence: boolean): void {
    if (line.trim() === '' && !inFence && this.length > LONGEST / 2) return this.cut();
    for (const piece of piecesOf(line)) {
      if (this.length + piece.length > LONGEST) this.cut();
      if (this.lines.length === 0) {
        if (piece.trim() === '') continue;
        this.firstLine = number;
      }
      this.lines.push(piece);
      this.length += piece.length + 1;
    }
  }

  end(): readonly Passage[] {
    this.cut();
    return this.passages;
  }

  private cut(): void {
    const text = this.lines.join('\n').trimEnd();
    if (text !== '') this.passages.push({ heading: this.headings.filter(Boolean).join(' › '), line: this.firstLine, text });
    this.lines = [];
    this.length = 0;
  }
}

/** A line that is longer than a passage may be, in several. */
function piecesOf(line: string): readonly string[] {
  if (line.length <= LONGEST) return [line];
  const pieces: string[] = [];
  let rest = line;
  while (rest.length > LONGEST) {
    const blank = rest.lastIndexOf(' ', LONGEST);
    const end = blank > LONGEST / 2 ? blank : wholeCharacters(rest, LONGEST);
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...pieces, rest];
}

/** So that no surrogate pair is cut in two. */
function wholeCharacters(text: string, end: number): number {
  const code = text.charCodeAt(end - 1);
  return code >= 0xd800 && code <= 0xdbff ? end - 1 : end;
}
