import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { command, witness } from './commands.js';
import { programHome, type ProgramHome, type ProgramOptions } from './program.js';

/** A home whose commands leave traces outside of it. */
export interface WitnessHome extends ProgramHome {
  /** Gets one line, its mark, from every program that ran. */
  readonly marks: string;
  /** Of the programs of `long` that ever ran, but for those that were forgotten. */
  pids(): number[];
  /** When none of them lives: their numbers will be given to others. */
  forgetPids(): void;
}

/** A home with the commands `quick`, which adds its mark and ends, and `long`, which does the same, notes its pid and stays. */
export function witnessHome(options: Pick<ProgramOptions, 'settings'> = {}): WitnessHome {
  const home = programHome(options);
  const marks = join(home.folder, 'marks');
  const pids = join(home.folder, 'pids');
  mkdirSync(pids);
  const text = 'printf "%s\\n" "$3" >> "$2"; echo $$ > "$1/$$"; exec sleep 60';
  home.declare({
    quick: witness(marks),
    long: command({
      script: { interpreter: 'sh', text, args: [pids, marks, '{mark}'] },
      params: { mark: { type: 'string', default: 'ran' } },
      effect: 'change',
      timeout: '2min',
    }),
  });
  return Object.assign(home, {
    marks,
    pids: () => readdirSync(pids).map(Number),
    forgetPids: () => readdirSync(pids).forEach((name) => rmSync(join(pids, name))),
  });
}
