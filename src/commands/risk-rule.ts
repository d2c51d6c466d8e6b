import { RE2JS } from 're2js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration, ExecElement } from './catalogue-schema.js';
import type { ParamDeclaration } from './param-types.js';
import { riskOf } from './risky-programs.js';
import { parseElement, type Template } from './templates.js';

/** What becomes code, an option, or a place to write to, in one program or another. A pattern that lets any of it through keeps nothing out. */
const HOSTILE = [
  '1e id',
  'system("id")',
  '-oProxyCommand=id',
  '--checkpoint-action=exec=id',
  'ext::sh -c id',
  '| id',
  '$(id)',
  '; id',
  '@/etc/passwd',
];

/** Where a param stands on the command line. */
interface Placement {
  readonly param: string;
  /** Name of the option that it is the value of, as in `--option={x}`. */
  readonly option: string | undefined;
  /** Whether options have ended before it. */
  readonly isOperand: boolean;
}

/**
 * A bare string on the command line of a program that can be told to run or write something else is a mistake, unless the author says why
 * it is not. Bare: without a pattern, or with one that lets hostile values through.
 */
export function riskRule({ exec, params }: CommandDeclaration): readonly Finding[] {
  const program = typeof exec?.[0] === 'string' ? exec[0] : '';
  const risk = riskOf(program);
  const risky = new Set(
    risk
      ? placementsOf(exec ?? [])
          .filter((place) => isOpen(place, risk, exec ?? []))
          .map(({ param }) => param)
      : [],
  );
  return Object.entries(params).flatMap(([name, param]) => {
    const isRisky = risky.has(name) && isBare(param);
    const named = 'risk' in param && param.risk !== undefined;
    if (isRisky && !named) return [{ path: ['params', name], message: adviceFor(program, risk?.why ?? '') }];
    return named && !isRisky ? [{ path: ['params', name, 'risk'], message: 'there is no such risk here: leave it out' }] : [];
  });
}

function adviceFor(program: string, why: string): string {
  const name = program.slice(program.lastIndexOf('/') + 1);
  return `is a bare string for ${name}, which ${why}: give it a narrow type or pattern, or say with risk: why that is safe`;
}

/** Whether the program may take what stands there for more than data. */
function isOpen(
  { option, isOperand }: Placement,
  { options, unless }: NonNullable<ReturnType<typeof riskOf>>,
  exec: readonly ExecElement[],
): boolean {
  if (!options) return true;
  if (option !== undefined) return options.includes(option);
  const words = exec.slice(1).flatMap((element) => (typeof element === 'string' ? [element] : element.add));
  return !isOperand || words.some((word) => unless?.includes(word));
}

function placementsOf(exec: readonly ExecElement[]): readonly Placement[] {
  const places: Placement[] = [];
  let isOperand = false;
  const walk = (template: Template): void => {
    if (template.kind === 'literal') isOperand ||= template.text === '--' || template.text === '--end-of-options';
    else if (template.kind === 'if') template.add.forEach(walk);
    else places.push({ param: template.param, option: template.prefix === '' ? undefined : template.prefix.slice(2, -1), isOperand });
  };
  for (const element of exec) {
    const template = parseElement(element);
    if (template) walk(template);
  }
  return places;
}

function isBare(param: ParamDeclaration): boolean {
  if (param.type !== 'string') return false;
  if (param.pattern === undefined) return true;
  const pattern = RE2JS.compile(param.pattern);
  return HOSTILE.some((value) => pattern.matches(value));
}
