import type { ExecutorKind } from '../domain/command.js';
import type { CommandDeclaration } from './catalogue-schema.js';

type Sections = Pick<CommandDeclaration, 'builtin' | 'http' | 'knowledge' | 'llm' | 'obs'>;

/** By what a declaration is carried out. */
export function executorOf({ builtin, http, knowledge, llm, obs }: Sections): ExecutorKind {
  if (builtin !== undefined) return 'builtin';
  if (http) return 'http';
  if (llm) return 'llm';
  if (obs) return 'obs';
  return knowledge ? 'knowledge' : 'process';
}

/** Whether it starts a program of this host: only then is there a sandbox, an environment, a stdin. */
export function startsProgram(declaration: Sections): boolean {
  return executorOf(declaration) === 'process';
}

const NOUNS: Readonly<Record<ExecutorKind, string>> = {
  process: 'a program',
  builtin: 'a builtin',
  http: 'a call',
  knowledge: 'a search in documents',
  llm: 'a question to a language model',
  obs: 'a request to OBS',
};

/** What runs the command, for a sentence. */
export function nounOf(declaration: Sections): string {
  return NOUNS[executorOf(declaration)];
}
