import { z } from 'zod';
import { parseDuration, parseRate, parseSize } from './units.js';

/** A setting written as a word (`30s`, `1MiB`, `100/min`) and read as what it means. */
export function word<T>(parse: (text: string) => T | undefined, expectation: string) {
  return z.string().transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expectation}` });
    return z.NEVER;
  });
}

/** Timers wait 24.8 days at most and fire at once beyond that. */
const LONGEST_DURATION_MS = 24 * 60 * 60 * 1000;
export const duration = (shortestMs: number) =>
  word(
    (text) => {
      const value = parseDuration(text);
      return value !== undefined && value >= shortestMs && value <= LONGEST_DURATION_MS ? value : undefined;
    },
    `a duration${shortestMs > 0 ? ' above zero' : ''} such as 200ms, 30s, 5min or 2h, at most 24h`,
  );
export const size = word(parseSize, 'a size such as 64KiB or 1MiB');
export const sizeFrom = (least: number, shown: string) =>
  word((text) => {
    const value = parseSize(text);
    return value !== undefined && value >= least ? value : undefined;
  }, `a size such as 100MiB or 5GiB, at least ${shown}`);
export const rate = word(parseRate, 'a rate such as 100/min (per s, min, h or d)');
export const whole = (min: number, max: number) =>
  word((text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max ? value : undefined;
  }, `a whole number from ${min} to ${max}`);
export const flag = z.enum(['true', 'false'], { error: 'expected true or false' }).transform((text) => text === 'true');
export const choice = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values, { error: `expected one of ${values.join(', ')}` });
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);
export const origins = list.refine((items) => items.every(isOrigin), {
  error: 'expected exact origins such as https://ops.example.com, separated by commas',
});
export const addresses = list.refine((items) => items.every(isAddressOrRange), {
  error: 'expected addresses or CIDR ranges, separated by commas',
});
export const hosts = list.refine((items) => items.every((item) => /^[A-Za-z0-9._-]{1,253}$|^[0-9A-Fa-f:.]{2,45}$/.test(item)), {
  error: 'expected host names or addresses without ports, separated by commas',
});
export const text = (expectation: string) => z.string({ error: `expected ${expectation}` }).min(1, { error: `expected ${expectation}` });

/** `https://KEY@host/1`, with the path of a proxy and the secret of old DSNs where they are given. */
export const dsn = z
  .string()
  .regex(/^https?:\/\/\w{1,100}(?::\w{1,100})?@[\w.:[\]-]{1,253}(?:\/[\w.-]+)*\/\d{1,20}$/, {
    error: 'expected a DSN such as https://KEY@sentry.example.com/1',
  })
  .refine((item) => URL.canParse(item), { error: 'expected a DSN such as https://KEY@sentry.example.com/1' });
export const fraction = word(
  (text) => (/^(?:0(?:\.\d{1,6})?|1(?:\.0{1,6})?)$/.test(text) ? Number(text) : undefined),
  'a number from 0 to 1',
);

export const webAddress = z.string().refine((item) => /^https?:$/.test(URL.parse(item)?.protocol ?? ''), {
  error: 'expected an address such as https://keeper.example.com/checkpoints',
});

export const collectorAddress = webAddress.refine(
  (item) => ['username', 'password', 'search', 'hash'].every((part) => !URL.parse(item)?.[part as 'search']),
  {
    error: 'expected an address such as http://collector:4318, without credentials and query',
  },
);

export const chromaName = z.string().regex(/^[\w.-]{1,200}$/, { error: 'expected a name of letters, digits and . _ -' });
export const chromaCollection = z
  .string()
  .regex(/^[A-Za-z0-9][\w-]{0,99}$/, { error: 'expected a name of letters, digits, _ and -, up to 100, not beginning with _ or -' });

export const obsAddress = z
  .string()
  .refine(isObsAddress, { error: 'expected an address such as ws://127.0.0.1:4455, without credentials and query' });

/** What is not written out would be lost on the way, or shown. */
function isObsAddress(item: string): boolean {
  const url = URL.parse(item);
  if (!url || !/^wss?:$/.test(url.protocol)) return false;
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '' && !/[?#@]/.test(item);
}

function isOrigin(item: string): boolean {
  return URL.canParse(item) && new URL(item).origin === item;
}

function isAddressOrRange(item: string): boolean {
  return z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]).safeParse(item).success;
}
