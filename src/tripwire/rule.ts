import type { TripwireRule } from '../domain/tripwire.js';

/** What follows a program in its simple command, at most {@link MOST_ARGUMENTS} words. */
export type Arguments = readonly string[];
export const MOST_ARGUMENTS = 32;

/** One way to trip a rule: a program and what makes it dangerous. */
export interface Pattern {
  readonly rule: TripwireRule;
  /** Base names, in small letters. */
  readonly programs: readonly string[];
  /** Only where a shell would run it; else wherever it stands. */
  readonly atHead?: boolean;
  readonly when: (args: Arguments) => boolean;
}

/** Whether a flag is there: a letter of a cluster (`-rf`) or one of the long names. */
export function hasFlag(args: Arguments, letters: string, ...long: readonly string[]): boolean {
  return args.some((arg) => {
    if (long.some((name) => arg === name || arg.startsWith(`${name}=`))) return true;
    return letters !== '' && /^-[A-Za-z]{1,12}$/.test(arg) && [...letters].some((letter) => arg.includes(letter, 1));
  });
}

/** Whether one of the words is an argument. */
export function names(args: Arguments, ...words: readonly string[]): boolean {
  return args.some((arg) => words.includes(arg.toLowerCase()));
}

export function operandsOf(args: Arguments): Arguments {
  return args.filter((arg) => !arg.startsWith('-') && arg !== '>' && arg !== '<');
}

/** Whether one word stands right after the other. */
export function follows(args: Arguments, first: string, second: RegExp): boolean {
  return args.some((arg, index) => arg.toLowerCase() === first && second.test(short(args[index + 1])));
}

/** Patterns look at words of bounded length only. */
export function short(word: string | undefined): string {
  return word === undefined || word.length > 200 ? '' : word;
}

/** A disk, or a part of one. */
export function isDisk(word: string): boolean {
  return /^(?:of=)?\/dev\/(?:[shv]d[a-z]\d*|xvd[a-z]\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?|r?disk\d+|md\d+|dm-\d+|mapper\/.+)$/.test(
    short(word),
  );
}

/** A folder that the system lives in. */
export function isSystemFolder(word: string): boolean {
  return /^(?:\/\*?|~\/?|\$HOME\/?|\/(?:bin|boot|dev|etc|home|lib|lib64|opt|proc|root|sbin|srv|sys|usr|var)(?:\/\*?)?)$/.test(short(word));
}
