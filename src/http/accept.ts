interface Range {
  readonly type: string;
  /** 0 to 1; 0 for what the caller will not have. */
  readonly weight: number;
}

/**
 * Which of these media types the caller would rather have (RFC 9110, section 12.5.1). The first, where it says nothing, likes several as
 * much, or wants none of them: whoever asks in a hurry is better served with another type than with a refusal.
 * @param accept the header; unreadable parts of it count as not written
 */
export function preferredType<Type extends string>(accept: string | undefined, [first, ...others]: readonly [Type, ...Type[]]): Type {
  if (accept === undefined) return first;
  const ranges = accept.split(',').flatMap(rangeOf);
  let [best, bestWeight] = [first, weightOf(first, ranges)];
  for (const type of others) {
    const weight = weightOf(type, ranges);
    if (weight > bestWeight) [best, bestWeight] = [type, weight];
  }
  return best;
}

function rangeOf(text: string): Range[] {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const given = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  if (!type.includes('/') || (given !== undefined && !/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(given))) return [];
  return [{ type, weight: given === undefined ? 1 : Number(given) }];
}

/** The range that names a type most exactly decides, whatever others say. */
function weightOf(type: string, ranges: readonly Range[]): number {
  for (const name of [type, type.replace(/\/.*/, '/*'), '*/*']) {
    const weights = ranges.filter((range) => range.type === name).map(({ weight }) => weight);
    if (weights.length > 0) return Math.max(...weights);
  }
  return 0;
}
