import type { Approval } from '../domain/command.js';
import type { SandboxProfile } from '../domain/sandbox.js';
import { trippedBy } from '../tripwire/tripwire.js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration, ExecElement } from './catalogue-schema.js';
import { agentRule } from './agent-section.js';
import { variableRefusal } from './environment.js';
import { startsProgram } from './executor-kind.js';
import { secretMistakes } from './kept-secrets.js';
import { knowledgeRule } from './knowledge-section.js';
import { llmRule } from './llm-section.js';
import { noProgramRule } from './no-program-rule.js';
import { obsRule } from './obs-section.js';
import { defaultOf, isRequired, typeOf, type ParamDeclaration } from './param-types.js';
import type { ParamUse } from './param-type.js';
import { parsePhrase, slotsOf } from './phrase-text.js';
import { httpRule } from './http-rules.js';
import { riskRule } from './risk-rule.js';
import { announcesCode, isCodeRunner } from './scripts.js';
import { paramsIn, parseElement, parsePlaceholder, valuesIn, type Template } from './templates.js';

/** The elements of a command's argv that may hold params, and where they stand in its declaration. */
function argvElements({ exec, script }: CommandDeclaration): {
  readonly path: readonly string[];
  readonly elements: readonly ExecElement[];
} {
  return exec ? { path: ['exec'], elements: exec } : { path: ['script', 'args'], elements: script?.args ?? [] };
}

/** How the command uses one of its params. A path's root comes from the file system, so the caller gives it. */
export function useOf(name: string, declaration: CommandDeclaration, root: string | null = null): ParamUse {
  const param = declaration.params[name];
  const inArgv = valuesIn(templatesOf(declaration)).includes(name) && !(param && goesToFile(param));
  return { refuseDash: inArgv && !(param && 'allowDash' in param && param.allowDash), root };
}

export function goesToFile(param: ParamDeclaration): boolean {
  return 'via' in param && param.via === 'file';
}

/** The well-formed templates of argv. */
export function templatesOf(declaration: CommandDeclaration): readonly Template[] {
  return argvElements(declaration)
    .elements.map(parseElement)
    .filter((template) => template !== undefined);
}

/** The rules of a declaration that its shape does not show; each reports all it finds. */
const RULES: readonly ((declaration: CommandDeclaration, builtins: readonly string[]) => readonly Finding[])[] = [
  executorRule,
  builtinRule,
  noProgramRule,
  knowledgeRule,
  llmRule,
  httpRule,
  agentRule,
  obsRule,
  repetitionRule,
  timesRule,
  argvRule,
  codeRule,
  tripwireRule,
  riskRule,
  sandboxRule,
  stdinRule,
  environmentRule,
  paramRule,
  deliveryRule,
  secretRule,
  phraseRule,
];

/** Every mistake of one declaration, paths relative to it. `builtins`: names of the functions that exist. */
export function declarationMistakes(declaration: CommandDeclaration, builtins: readonly string[]): readonly Finding[] {
  return RULES.flatMap((rule) => rule(declaration, builtins));
}

function executorRule({ exec, script, builtin, http, knowledge, llm, obs }: CommandDeclaration): readonly Finding[] {
  const given = [exec, script, builtin, http, knowledge, llm, obs].filter((executor) => executor !== undefined).length;
  return given === 1 ? [] : [{ path: [], message: 'expected exactly one of exec, script, builtin, http, knowledge, llm, obs' }];
}

function builtinRule({ builtin }: CommandDeclaration, builtins: readonly string[]): readonly Finding[] {
  if (builtin === undefined || builtins.includes(builtin)) return [];
  return [{ path: ['builtin'], message: `expected one of ${builtins.join(', ')}` }];
}

/** Times that lie within others. */
function timesRule({ retry, timeout, builtin, breaker }: CommandDeclaration): readonly Finding[] {
  const out: Finding[] = [];
  const tooLong = (key: 'budget' | 'timeout', most: number | undefined, what: string) => {
    if (most !== undefined && (retry?.[key] ?? 0) > most) out.push({ path: ['retry', key], message: `is longer than ${what}` });
  };
  tooLong('budget', timeout, 'the timeout of the whole');
  tooLong('timeout', timeout, 'the timeout of the whole');
  if (retry && retry.delay > retry.maxDelay) out.push({ path: ['retry', 'delay'], message: 'is longer than maxDelay' });
  if (builtin !== undefined && (retry || breaker !== undefined))
    out.push({ path: [retry ? 'retry' : 'breaker'], message: 'has no meaning for a builtin' });
  return out;
}

/** What may be done more than once, or not at all because it was done before. */
function repetitionRule({ effect, idempotent, retry, cache, fallback, params, approval }: CommandDeclaration): readonly Finding[] {
  const out: Finding[] = [];
  if (fallback !== undefined && cache === undefined) out.push({ path: ['fallback'], message: 'needs a cache to take the result from' });
  if (retry && !(idempotent ?? effect === 'read'))
    out.push({ path: ['retry'], message: 'only a command that reads or is idempotent may be retried' });
  if (cache !== undefined && effect !== 'read')
    out.push({ path: ['cache'], message: 'only results of commands with effect: read may be cached' });
  if (cache !== undefined && approval === 'required')
    out.push({ path: ['cache'], message: 'results that need an approval each time may not be cached' });
  if (cache !== undefined && Object.values(params).some(({ type }) => type === 'secret')) {
    out.push({ path: ['cache'], message: 'results that depend on a secret may not be cached' });
  }
  return out;
}

function argvRule(declaration: CommandDeclaration): readonly Finding[] {
  const { path, elements } = argvElements(declaration);
  return elements.flatMap((element, index) => {
    const at = [...path, index];
    const template = parseElement(element);
    if (template === undefined) return [{ path: at, message: 'a placeholder must be a whole element, or the tail of --name={x}' }];
    if (index === 0 && declaration.exec && (template.kind !== 'literal' || template.text === ''))
      return [{ path: at, message: 'expected a program' }];
    if (elementTexts(element).some((text) => text.includes('\0'))) return [{ path: at, message: 'must not contain NUL' }];
    return [
      ...(template.kind === 'if' ? unknownParam(template.param, declaration, at) : []),
      ...valuesIn([template]).flatMap((name) => (Object.hasOwn(declaration.secrets, name) ? [] : unknownParam(name, declaration, at))),
    ];
  });
}

function elementTexts(element: ExecElement): readonly string[] {
  return typeof element === 'string' ? [element] : element.add;
}

function unknownParam(name: string, { params }: CommandDeclaration, path: readonly (string | number)[]): readonly Finding[] {
  return Object.hasOwn(params, name) ? [] : [{ path, message: `there is no param of the name ${name}` }];
}

/** `[sh, -c, "{x}"]` would be a free-form shell command, however it is dressed. */
function codeRule({ exec }: CommandDeclaration): readonly Finding[] {
  const texts = (exec ?? []).flatMap(elementTexts);
  const runner = texts.findIndex(isCodeRunner);
  if (runner < 0) return [];
  const isCode = texts.some((text, index) => {
    const template = parseElement(text);
    if (index <= runner || template?.kind !== 'param') return false;
    return template.prefix === '' ? announcesCode(texts[index - 1] ?? '') : announcesCode(template.prefix);
  });
  return isCode ? [{ path: ['exec'], message: 'a param would be run as code: use script, where arguments are positional parameters' }] : [];
}

/** What the author wrote is looked at once, here; runs are looked at for what callers put in. */
function tripwireRule({ exec, script, tripwire }: CommandDeclaration): readonly Finding[] {
  const text = script?.text ?? (exec ?? []).flatMap(elementTexts).join(' ');
  const rule = trippedBy(text, tripwire.ignore);
  if (rule === undefined) return [];
  return [{ path: [script ? 'script' : 'exec'], message: `trips ${rule}: if that is meant, say tripwire: { ignore: [${rule}] }` }];
}

/** What would have no effect is a mistake, not a wish. */
function sandboxRule(declaration: CommandDeclaration): readonly Finding[] {
  const { sandbox, effect } = declaration;
  if (!startsProgram(declaration)) return [];
  const { profile, read, write } = sandbox;
  const at = (key: string, message: string): Finding => ({ path: ['sandbox', key], message });
  const effective = profileOf(profile, effect);
  if (effective === 'host')
    return read.length + write.length === 0
      ? []
      : [{ path: ['sandbox'], message: 'a program outside of a sandbox reads and writes what the gateway may' }];
  if (effective === 'pure' && write.length > 0) return [at('write', 'nothing is written in the profile pure: take workspace')];
  return [];
}

/** Whether runs of a command that does not say so wait for approval follows from its effect. */
export function approvalOf({ approval, effect }: Pick<CommandDeclaration, 'approval' | 'effect'>): Approval {
  return approval ?? (effect === 'destroy' ? 'required' : 'none');
}

/** The sandbox profile of a command that names none follows from its effect. */
export function profileOf(declared: SandboxProfile | undefined, effect: CommandDeclaration['effect']): SandboxProfile {
  return declared ?? (effect === 'read' ? 'pure' : 'workspace');
}

function stdinRule(declaration: CommandDeclaration): readonly Finding[] {
  if (declaration.stdin === undefined) return [];
  const name = parsePlaceholder(declaration.stdin);
  return name === undefined ? [{ path: ['stdin'], message: 'expected one param, as "{x}"' }] : unknownParam(name, declaration, ['stdin']);
}

function environmentRule(declaration: CommandDeclaration): readonly Finding[] {
  return Object.entries(declaration.env).flatMap(([name, text]) => {
    const path = ['env', name];
    const param = parsePlaceholder(text);
    const refusal = variableRefusal(name, param !== undefined);
    if (refusal !== undefined) return [{ path, message: refusal }];
    if (text.includes('\0')) return [{ path, message: 'must not contain NUL' }];
    return param === undefined ? [] : unknownParam(param, declaration, path);
  });
}

function paramRule(declaration: CommandDeclaration): readonly Finding[] {
  return Object.entries(declaration.params).flatMap(([name, param]) => {
    const path = ['params', name];
    const use = useOf(name, declaration);
    const mistakes = typeOf(param).mistakes(param, use);
    const out: Finding[] = mistakes.map(([key, message]) => ({ path: [...path, key], message }));
    const fallback = defaultOf(param);
    if (fallback === undefined) return out;
    if (param.optional) out.push({ path: [...path, 'optional'], message: 'a param with a default is optional already' });
    const message =
      mistakes.length > 0 || param.type === 'path' || param.type === 'folder'
        ? undefined
        : typeOf(param).value(param, use).safeParse(fallback).error?.issues[0]?.message;
    if (message !== undefined) out.push({ path: [...path, 'default'], message });
    return out;
  });
}

/** Each param must arrive somewhere, and only where its type may go. */
function deliveryRule(declaration: CommandDeclaration): readonly Finding[] {
  if (!startsProgram(declaration)) return [];
  const templates = templatesOf(declaration);
  const [values, named] = [valuesIn(templates), paramsIn(templates)];
  const inEnv = Object.values(declaration.env).map(parsePlaceholder);
  const inStdin = declaration.stdin === undefined ? undefined : parsePlaceholder(declaration.stdin);
  return Object.entries(declaration.params).flatMap(([name, param]) => {
    const path = ['params', name];
    const inArgv = values.includes(name);
    if (goesToFile(param)) {
      const elsewhere = inStdin === name || inEnv.includes(name);
      return inArgv && !elsewhere ? [] : [{ path, message: 'goes via a file: its placeholder belongs into argv, and nowhere else' }];
    }
    if (inArgv && !typeOf(param).mayStandInArgv) return [{ path, message: `a ${param.type} never stands in argv: use stdin or via: file` }];
    if (param.type === 'text' && inEnv.includes(name)) return [{ path, message: 'a text never stands in env: use stdin or via: file' }];
    const used = named.includes(name) || inEnv.includes(name) || inStdin === name;
    return used ? [] : [{ path, message: 'is never used' }];
  });
}

function secretRule(declaration: CommandDeclaration): readonly Finding[] {
  return secretMistakes(declaration, valuesIn(templatesOf(declaration)));
}

function phraseRule({ phrases, params }: CommandDeclaration): readonly Finding[] {
  return phrases.flatMap((text, index) => {
    const path = ['phrases', index];
    const phrase = parsePhrase(text);
    if ('mistake' in phrase) return [{ path, message: phrase.mistake }];
    const slots = slotsOf(phrase);
    const unknown = slots.find((slot) => !Object.hasOwn(params, slot));
    if (unknown !== undefined) return [{ path, message: `there is no param of the name ${unknown}` }];
    if (slots.some((slot) => params[slot]?.type === 'secret')) return [{ path, message: 'a secret has no place in free text' }];
    const unsaid = Object.entries(params).find(([name, param]) => isRequired(param) && !slots.includes(name));
    return unsaid ? [{ path, message: `leaves out ${unsaid[0]}, which is required` }] : [];
  });
}
