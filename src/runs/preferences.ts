/** What `Prefer` (RFC 7240) asks of a run. */
export interface Preferences {
  /** Answer 202 instead of waiting for the end. */
  readonly respondAsync: boolean;
  /** Wait this long for the end first, milliseconds. */
  readonly waitMs: number;
}

const MAX_WAIT_SECONDS = 300;

const NONE: Preferences = { respondAsync: false, waitMs: 0 };

/** Unknown preferences and malformed ones are ignored, as the RFC asks. */
export function parsePrefer(header: string | undefined): Preferences {
  if (header === undefined) return NONE;
  const preferences = header.split(',').map((part) => part.split(';', 1)[0]?.trim().toLowerCase());
  const wait = preferences.map((part) => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(part ?? '')?.[1]).find(Boolean);
  return { respondAsync: preferences.includes('respond-async'), waitMs: Math.min(Number(wait ?? 0), MAX_WAIT_SECONDS) * 1000 };
}
