import type { Rate } from '../domain/rate.js';

const DURATION_MS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;
const WINDOW_MS = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function quantity<Unit extends string>(text: string, units: Readonly<Record<Unit, number>>): number | undefined {
  const [, whole, fraction = '', unit] = /^(\d{1,12})(?:\.(\d{1,3}))?([A-Za-z]+)$/.exec(text) ?? [];
  if (whole === undefined || unit === undefined || !Object.hasOwn(units, unit)) return undefined;
  // In whole thousandths: 1.001 times 1000 is not 1001 in floating point.
  const thousandths = BigInt(whole + fraction.padEnd(3, '0')) * BigInt(units[unit as Unit]);
  const value = Number(thousandths / 1000n);
  return thousandths % 1000n === 0n && Number.isSafeInteger(value) ? value : undefined;
}

/** `200ms`, `30s`, `5min`, `2h`, `30d` → milliseconds; undefined when the text is none of these. */
export function parseDuration(text: string): number | undefined {
  return quantity(text, DURATION_MS);
}

/** `512B`, `64KiB`, `1MiB`, `5GiB` → bytes; undefined when the text is none of these. */
export function parseSize(text: string): number | undefined {
  return quantity(text, SIZE_BYTES);
}

/** The rate as {@link parseRate} reads it. */
export function formatRate({ count, windowMs }: Rate): string {
  const unit = Object.entries(WINDOW_MS).find(([, length]) => length === windowMs)?.[0];
  return unit === undefined ? `${count}/${windowMs}ms` : `${count}/${unit}`;
}

/** `100/min` (also `/s`, `/h`, `/d`) → a rate; undefined when the text is no rate. */
export function parseRate(text: string): Rate | undefined {
  const match = /^([1-9]\d{0,8})\/(s|min|h|d)$/.exec(text);
  if (!match) return undefined;
  return { count: Number(match[1]), windowMs: WINDOW_MS[match[2] as keyof typeof WINDOW_MS] };
}
