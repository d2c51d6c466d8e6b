import { type OpenMetricsContentType, Registry } from 'prom-client';

/** How long a metric may take to find its values: what hangs is left out, and the others are told. */
const COLLECT_MS = 2_000;

/** A form in which metrics are told. */
export type Exposition = 'text' | 'openmetrics';

export const CONTENT_TYPES: Readonly<Record<Exposition, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** A metric with its values as prom-client gives them, where its types leave out half. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly Value[];
}

interface Value {
  /** Of a histogram's series. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly exemplar?: Exemplar | null;
}

interface Source {
  get(): Promise<Family>;
}

interface Exemplar {
  readonly labelSet: Readonly<Record<string, string>>;
  readonly value: number;
  /** Seconds since 1970. */
  readonly timestamp: number;
}

/** A registry whose metrics may have exemplars. */
export type OpenRegistry = Registry<OpenMetricsContentType>;

export function openRegistry(): OpenRegistry {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

/**
 * OpenMetrics for whoever asks for it, else the text format of Prometheus. Prometheus names both, with the weight that it gives to each;
 * of two with the same weight OpenMetrics says more.
 */
export function expositionFor(accept = ''): Exposition {
  const weights: Record<Exposition, number> = { text: 0, openmetrics: 0 };
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const given = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
    const weight = given >= 0 && given <= 1 ? given : 0;
    if (type === 'application/openmetrics-text') weights.openmetrics = Math.max(weights.openmetrics, weight);
    if (type === 'text/plain') weights.text = Math.max(weights.text, weight);
  }
  return weights.openmetrics > 0 && weights.openmetrics >= weights.text ? 'openmetrics' : 'text';
}

/**
 * What `GET /metrics` answers. Our own writing of it instead of prom-client's, which renames counters for good once it has written
 * OpenMetrics, and fails as a whole when one metric does.
 * @param onFailure told of each metric that is left out because its values could not be found, or not in time
 */
export async function expose(
  registry: Pick<Registry, 'getMetricsAsArray'>,
  exposition: Exposition,
  onFailure: (error: unknown) => void,
): Promise<string> {
  const metrics = registry.getMetricsAsArray() as unknown as readonly Source[];
  const families = await Promise.all(metrics.map((metric) => valuesOf(metric, onFailure)));
  const lines = families.flatMap((family) => (family ? linesOf(family, exposition) : []));
  if (exposition === 'openmetrics') lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

async function valuesOf(metric: Source, onFailure: (error: unknown) => void): Promise<Family | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('A metric did not find its values in time.')), COLLECT_MS);
  });
  try {
    return await Promise.race([metric.get(), late]);
  } catch (error) {
    onFailure(error);
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function linesOf(family: Family, exposition: Exposition): string[] {
  const open = exposition === 'openmetrics';
  const { type } = family;
  // In OpenMetrics the family of a counter has no `_total`, its series do.
  const name = open && type === 'counter' ? family.name.replace(/_total$/, '') : family.name;
  const series = open && type === 'counter' ? `${name}_total` : name;
  const help = escapeText(family.help);
  const lines = [`# HELP ${name} ${open ? help.replaceAll('"', '\\"') : help}`, `# TYPE ${name} ${type}`];
  for (const value of family.values) {
    const line = `${value.metricName ?? series}${labelsOf(value.labels, open)} ${numberOf(value.value)}`;
    lines.push(open && value.exemplar ? `${line} # ${exemplarOf(value.exemplar)}` : line);
  }
  return lines;
}

function labelsOf(labels: Readonly<Record<string, string | number>>, open: boolean): string {
  let text = '';
  for (const name in labels) {
    const value = labels[name] ?? '';
    const shown = open && name === 'le' ? boundOf(value) : escapeText(String(value)).replaceAll('"', '\\"');
    text += `${text === '' ? '' : ','}${name}="${shown}"`;
  }
  return text === '' ? '' : `{${text}}`;
}

/** OpenMetrics wants the bounds of buckets to be floats, with a point. */
function boundOf(bound: string | number): string {
  return Number.isInteger(bound) ? `${bound}.0` : `${bound}`;
}

function exemplarOf({ labelSet, value, timestamp }: Exemplar): string {
  return `${labelsOf(labelSet, true) || '{}'} ${numberOf(value)} ${timestamp}`;
}

function numberOf(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

function escapeText(text: string): string {
  return /[\\\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n') : text;
}
