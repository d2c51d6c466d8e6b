/** How little the first places of a list stand out from those that follow (Cormack, Clarke and Büttcher, 2009). */
const SMOOTHING = 60;

/** Something that is in one or more of the lists. */
export interface Fused {
  readonly id: number;
  /** Larger is better; comparable within one fusion alone. */
  readonly score: number;
  /** Whether it is in each of the lists. */
  readonly isIn: readonly boolean[];
}

/** Reciprocal rank fusion: makes one list of several whose scores cannot be compared, each the best first. Nothing may be in a list twice. */
export function fuseRanks(lists: readonly (readonly number[])[], limit: number): readonly Fused[] {
  const ranks = lists.map((list) => new Map(list.map((id, rank) => [id, rank])));
  const scoreOf = (id: number) =>
    ranks.reduce((sum, byId) => {
      const rank = byId.get(id);
      return rank === undefined ? sum : sum + 1 / (SMOOTHING + rank + 1);
    }, 0);
  return [...new Set(lists.flat())]
    .map((id) => ({ id, score: scoreOf(id), isIn: ranks.map((byId) => byId.has(id)) }))
    .sort((one, other) => other.score - one.score)
    .slice(0, limit);
}
