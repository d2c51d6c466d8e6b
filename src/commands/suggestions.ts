const NEAR_ENOUGH = 0.45;
const MOST = 3;
const COMPARED = 100;

/** At most three of the known texts that are near to `text`, nearest first. Linear in the length of all of them. */
export function suggest(text: string, known: readonly string[]): readonly string[] {
  const wanted = pairsOf(text);
  if (wanted.size === 0) return [];
  return known
    .map((candidate) => ({ candidate, score: likeness(wanted, pairsOf(candidate)) }))
    .filter(({ score }) => score >= NEAR_ENOUGH)
    .sort((a, b) => b.score - a.score || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, MOST)
    .map(({ candidate }) => candidate);
}

/** Pairs of neighbouring letters of the text in one spelling: lower case, words apart by one space. */
function pairsOf(text: string): ReadonlySet<string> {
  const plain = ` ${text
    .slice(0, COMPARED)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()} `;
  return new Set(
    Array.from({ length: plain.length - 1 }, (_, index) => plain.slice(index, index + 2)).filter((pair) => pair.trim() !== ''),
  );
}

/** Sørensen–Dice coefficient: 1 for equal sets, 0 for sets with nothing in common. */
function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  return (2 * a.intersection(b).size) / (a.size + b.size);
}
