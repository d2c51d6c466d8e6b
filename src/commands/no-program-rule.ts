import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import { nounOf, startsProgram } from './executor-kind.js';

/** Limits that bound a program, and nothing else. */
const PROGRAM_LIMITS = ['memory', 'processes', 'cpu', 'file', 'openFiles'] as const;

/** What only a program can be given: anywhere else it would have no effect, and that is a mistake, not a wish. */
export function noProgramRule(declaration: CommandDeclaration): readonly Finding[] {
  if (startsProgram(declaration)) return [];
  const noun = nounOf(declaration);
  return [
    ...meaningless(declaration).map((path) => ({ path, message: `has no meaning for ${noun}: it starts no program` })),
    ...Object.entries(declaration.params).flatMap(([name, param]): readonly Finding[] => {
      const isFile = 'via' in param && param.via === 'file';
      if (!isFile && (param.type !== 'secret' || declaration.http)) return [];
      return [{ path: ['params', name], message: `${noun} takes ${declaration.http ? 'no files' : 'neither secrets nor files'}` }];
    }),
  ];
}

function meaningless(declaration: CommandDeclaration): readonly (readonly string[])[] {
  const { env, cwd, stdin, sandbox, limits } = declaration;
  const given: readonly (readonly [isGiven: boolean, ...path: string[]])[] = [
    [Object.keys(env).length > 0, 'env'],
    [cwd !== undefined, 'cwd'],
    [stdin !== undefined, 'stdin'],
    [sandbox.profile !== undefined || sandbox.read.length + sandbox.write.length > 0, 'sandbox'],
    [declaration.optional && !mayBeMissing(declaration), 'optional'],
    ...PROGRAM_LIMITS.map((limit) => [limits[limit] !== undefined, 'limits', limit] as const),
  ];
  return given.flatMap(([isGiven, ...path]) => (isGiven ? [path] : []));
}

/** Whether it rests on something of the host that may not be there: folders of documents. */
function mayBeMissing({ knowledge }: CommandDeclaration): boolean {
  return knowledge !== undefined;
}
