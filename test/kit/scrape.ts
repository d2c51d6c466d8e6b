/** One series of a scrape. */
export interface Sample {
  /** Without `sallyport_`; of a histogram with `_bucket`, `_sum` or `_count`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A scrape in the Prometheus text format, as far as it is ours (`sallyport_…`). */
export interface Scrape {
  /** Name → kind, as the `# TYPE` lines have it. */
  readonly kinds: Readonly<Record<string, string>>;
  readonly samples: readonly Sample[];
  /** The sum of all series of this name that carry at least these labels; 0 when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
}

const SAMPLE = /^sallyport_(\w+)(?:\{(.*)\})? (\S+)$/;

/** @throws Error when a line of ours is none of the format */
export function parseScrape(text: string): Scrape {
  const lines = text.split('\n').filter((line) => /^(?:# TYPE )?sallyport_/.test(line));
  const samples = lines.filter((line) => !line.startsWith('#')).map(parseSample);
  return {
    kinds: Object.fromEntries(
      lines.flatMap((line) => [/^# TYPE sallyport_(\w+) (\w+)$/.exec(line)?.slice(1)].filter((pair) => pair !== undefined)),
    ),
    samples,
    value: (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
        .reduce((sum, sample) => sum + sample.value, 0),
  };
}

function parseSample(line: string): Sample {
  const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined) throw new Error(`not a line of a scrape: ${line}`);
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [label, text] as const);
  return { name, labels: Object.fromEntries(pairs), value: Number(value) };
}
