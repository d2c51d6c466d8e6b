import { createHash } from 'node:crypto';

/** A Lua script that Redis carries out at once: nothing else happens there meanwhile. */
export interface RedisScript {
  readonly text: string;
  /** SHA-1 of the text, by which Redis knows it. */
  readonly sha: string;
}

/**
 * What both scripts begin with: the window of KEYS[1] at this moment, by the clock of Redis, so that all gateways mean the same one.
 * A clock that was set back makes no window longer. Numbers are written out: as they are, large ones might be rounded.
 * ARGV: requests a window holds, its length in ms, the time after which this is not wanted any more.
 */
const WINDOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count, length, latest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'ends', 'length', 'used')
local ends, used = tonumber(kept[1]), tonumber(kept[3])
if not ends or tonumber(kept[2]) ~= length or now >= ends or ends > now + length then ends, used = now + length, 0 end
local allowed = used < count
`;

/** One request more, where the window has room for it and somebody still waits for the answer. */
const SPENDING = `
if now > latest then return {-1, used, ends - now, now} end
if allowed then
  used = used + 1
  redis.call('HSET', KEYS[1], 'ends', string.format('%.0f', ends), 'length', string.format('%.0f', length), 'used', used)
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', ends))
end
`;

/** All whole numbers: allowed (1), refused (0) or too late (-1); requests used; ms until the window ends; Redis's time, ms since 1970. */
const ANSWER = `
return {allowed and 1 or 0, used, ends - now, now}
`;

export const SPEND = scriptOf(WINDOW + SPENDING + ANSWER);
/** Looks, and changes nothing. */
export const PEEK = scriptOf(WINDOW + ANSWER);

/** What both scripts answer, by name. */
export interface WindowAnswer {
  readonly verdict: 'allowed' | 'refused' | 'late';
  readonly used: number;
  readonly leftMs: number;
  /** By the clock of Redis, ms since 1970. */
  readonly at: number;
}

/** Undefined for anything but an answer of these scripts. */
export function readWindowAnswer(answer: unknown): WindowAnswer | undefined {
  if (!Array.isArray(answer) || answer.length !== 4 || !answer.every(Number.isSafeInteger)) return undefined;
  const [verdict, used, leftMs, at] = answer as [number, number, number, number];
  return { verdict: verdict < 0 ? 'late' : verdict > 0 ? 'allowed' : 'refused', used, leftMs, at };
}

function scriptOf(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}
