import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ProgramHome } from './program.js';

const SOURCE = new URL('../../src/', import.meta.url);

/** Texts that must not leave the host, each planted where the name says. */
export interface BugCanaries {
  readonly message: string;
  readonly cause: string;
  readonly deepCause: string;
  readonly property: string;
  readonly variable: string;
  readonly functionName: string;
  readonly className: string;
  readonly console: string;
}

/**
 * Settings with which the program has bugs: looking a run up (`GET /runs/:id`) and starting a program throw what nobody foresaw, and SIGUSR2
 * throws where nobody catches. The real code is replaced in the real process, before it starts.
 */
export function plantBugs(home: ProgramHome, canaries: Partial<BugCanaries> = {}): Record<string, string> {
  const text = (name: keyof BugCanaries) => JSON.stringify(canaries[name] ?? name);
  const at = (path: string) => JSON.stringify(new URL(path, SOURCE).href);
  home.write(
    'bugs.mjs',
    `import { SqliteRunStore } from ${at('storage/sqlite/sqlite-run-store.js')};
     import { ProcessExecutor } from ${at('executors/process.executor.js')};
     function bug() {
       const variable = ${text('variable')};
       console.log(${text('console')});
       const cause = new RangeError(${text('cause')}, { cause: new Error(${text('deepCause')}) });
       const named = { [${text('functionName')}]: () => Object.assign(new Error(${text('message')} + variable.slice(0, 0), { cause }), { note: ${text('property')} }) };
       const error = named[${text('functionName')}]();
       error.name = ${text('className')};
       return error;
     }
     SqliteRunStore.prototype.find = async () => { throw bug(); };
     ProcessExecutor.prototype.execute = async () => { undefined.missing; };
     process.on('SIGUSR2', () => { throw bug(); });`,
  );
  return { NODE_OPTIONS: `--import=${pathToFileURL(join(home.folder, 'bugs.mjs')).href}` };
}
