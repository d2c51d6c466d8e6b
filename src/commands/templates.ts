import type { ExecElement } from './catalogue-schema.js';

/** One element of argv before a call: fixed text, a param's value (after `--name=`), or elements that depend on a param. */
export type Template =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'param'; readonly prefix: string; readonly param: string }
  | { readonly kind: 'if'; readonly param: string; readonly add: readonly Template[] };

const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9_]*)\}/;
const WHOLE_OR_TAIL = /^(--[A-Za-z0-9][A-Za-z0-9_-]*=|)\{([A-Za-z][A-Za-z0-9_]*)\}$/;

/** Text of an element as a template; undefined when a placeholder stands where none may. */
function parseText(text: string): Template | undefined {
  const match = WHOLE_OR_TAIL.exec(text);
  if (match) return { kind: 'param', prefix: match[1] ?? '', param: match[2] ?? '' };
  return PLACEHOLDER.test(text) ? undefined : { kind: 'literal', text };
}

/** An element of `exec`; undefined when a placeholder in it stands where none may. */
export function parseElement(element: ExecElement): Template | undefined {
  if (typeof element === 'string') return parseText(element);
  const add = element.add.map(parseText);
  return add.every((inner) => inner !== undefined) ? { kind: 'if', param: element.if, add } : undefined;
}

/** The param that `{x}` names when it is the whole text. */
export function parsePlaceholder(text: string): string | undefined {
  const template = parseText(text);
  return template?.kind === 'param' && template.prefix === '' ? template.param : undefined;
}

/** Params whose values stand in argv. */
export function valuesIn(templates: readonly Template[]): readonly string[] {
  return templates.flatMap((template) => {
    if (template.kind === 'literal') return [];
    return template.kind === 'param' ? [template.param] : valuesIn(template.add);
  });
}

/** Params that elements depend on or contain. */
export function paramsIn(templates: readonly Template[]): readonly string[] {
  return templates.flatMap((template) => {
    if (template.kind === 'literal') return [];
    return template.kind === 'param' ? [template.param] : [template.param, ...paramsIn(template.add)];
  });
}

/** Appends the elements of one call to `argv`. A param without a text drops its element. `holds` answers an `if`. */
export function fill(
  templates: readonly Template[],
  textOf: (param: string) => string | undefined,
  holds: (param: string) => boolean,
  argv: string[],
): void {
  for (const template of templates) {
    if (template.kind === 'literal') argv.push(template.text);
    else if (template.kind === 'if') {
      if (holds(template.param)) fill(template.add, textOf, holds, argv);
    } else {
      const text = textOf(template.param);
      if (text !== undefined) argv.push(template.prefix + text);
    }
  }
}
