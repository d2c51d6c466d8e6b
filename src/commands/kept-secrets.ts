import type { CheckedArguments } from '../domain/command.js';
import type { SecretName } from '../domain/secret.js';
import { textsToMask } from '../secrets/secret-value.js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import { nounOf, startsProgram } from './executor-kind.js';
import { variableRefusal } from './environment.js';
import type { Placement } from './secret-placement.js';

type Secrets = Pick<CommandDeclaration, 'secrets'>;

/** Variables with the names of the secrets in them. */
export function secretVariables({ secrets }: Secrets): readonly (readonly [variable: string, name: SecretName])[] {
  return Object.entries(secrets).flatMap(([name, placement]) => ('env' in placement ? [[variableOf(name, placement), name] as const] : []));
}

/** The secret that the program reads. */
export function secretOnStdin({ secrets }: Secrets): SecretName | undefined {
  return Object.keys(secrets).find((name) => secrets[name] && 'stdin' in secrets[name]);
}

/** Secrets in private files. */
export function secretFiles({ secrets }: Secrets): readonly SecretName[] {
  return Object.keys(secrets).filter((name) => secrets[name] && 'file' in secrets[name]);
}

function variableOf(name: SecretName, { env }: Extract<Placement, { env: unknown }>): string {
  return env === true ? name : env;
}

/** Every mistake in a command's `secrets`. `inArgv`: names whose placeholders stand in argv. */
export function secretMistakes(declaration: CommandDeclaration, inArgv: readonly string[]): readonly Finding[] {
  const { secrets, cache } = declaration;
  const names = Object.keys(secrets);
  if (names.length === 0) return [];
  if (!startsProgram(declaration) && !declaration.http) return [{ path: ['secrets'], message: `${nounOf(declaration)} takes no secrets` }];
  const cached: readonly Finding[] =
    cache === undefined ? [] : [{ path: ['cache'], message: 'results that depend on a secret may not be cached' }];
  return [...cached, ...names.flatMap((name) => placementMistakes(name, declaration, inArgv))];
}

function placementMistakes(name: SecretName, declaration: CommandDeclaration, inArgv: readonly string[]): readonly Finding[] {
  const placement = declaration.secrets[name];
  const at = (message: string | undefined): readonly Finding[] => (message === undefined ? [] : [{ path: ['secrets', name], message }]);
  if (placement === undefined) return [];
  const isHttp = declaration.http !== undefined;
  if ('request' in placement) return at(isHttp ? undefined : 'only an http command has a request');
  if (isHttp) return at('expected { request: true }: an http command starts no program');
  if ('file' in placement) return at(inArgv.includes(name) ? undefined : 'goes via a file: its placeholder belongs into argv');
  if (inArgv.includes(name)) return at('a secret never stands in argv: use { file: true }, and its path does');
  return at('env' in placement ? variableMistake(variableOf(name, placement), declaration) : stdinMistake(declaration));
}

function variableMistake(name: string, declaration: CommandDeclaration): string | undefined {
  if (Object.hasOwn(declaration.env, name)) return `the variable ${name} is set in env already`;
  if (secretVariables(declaration).filter(([other]) => other === name).length > 1)
    return `another secret is in the variable ${name} already`;
  return variableRefusal(name, true);
}

function stdinMistake({ stdin, secrets }: CommandDeclaration): string | undefined {
  if (stdin !== undefined) return 'stdin has a param already';
  return Object.values(secrets).filter((placement) => 'stdin' in placement).length > 1 ? 'another secret goes to stdin already' : undefined;
}

/** The secrets of one call: for the child, and for the redactor. */
export interface RevealedSecrets {
  readonly values: CheckedArguments;
  readonly toMask: readonly string[];
}

/** @param reveal gives the values of these names, in their order */
export async function revealSecrets(
  names: readonly SecretName[],
  reveal: (names: readonly SecretName[]) => Promise<readonly string[]>,
): Promise<RevealedSecrets> {
  const values = await reveal(names);
  return { values: Object.fromEntries(names.map((name, index) => [name, values[index]])), toMask: values.flatMap(textsToMask) };
}
