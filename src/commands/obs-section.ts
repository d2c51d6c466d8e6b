import type { CheckedArguments, ObsInvocation } from '../domain/command.js';
import { obsRequest, type ObsRequestName } from '../obs/obs-requests.js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import type { ObsSection } from './obs-schema.js';
import { defaultOf, isRequired, type ParamDeclaration } from './param-types.js';
import { parseElement, parsePlaceholder } from './templates.js';

type Value = ObsSection['data'][string];

/** Types of params whose values a field takes. */
const PARAM_TYPES = { text: ['string', 'enum'], number: ['integer', 'number'], boolean: ['boolean'] } as const;
const LITERAL_TYPES = { text: 'string', number: 'number', boolean: 'boolean' } as const;

function requestsOf({ request }: ObsSection): readonly ObsRequestName[] {
  return typeof request === 'string' ? [request] : request;
}

function paramIn(value: Value): string | undefined {
  return typeof value === 'string' ? parsePlaceholder(value) : undefined;
}

export function obsRule(declaration: CommandDeclaration): readonly Finding[] {
  const { obs, params, effect } = declaration;
  if (!obs) return [];
  const out: Finding[] = [];
  const changing = requestsOf(obs).find((name) => obsRequest(name).effect === 'change');
  if (changing && effect === 'read') out.push({ path: ['effect'], message: `${changing} changes something: expected change or destroy` });
  out.push(...(typeof obs.request === 'string' ? dataMistakes(obs.request, declaration, obs.data) : listMistakes(obs)));
  const used = Object.values(obs.data).map(paramIn);
  for (const name of Object.keys(params)) if (!used.includes(name)) out.push({ path: ['params', name], message: 'is never used' });
  return out;
}

function listMistakes(section: ObsSection): readonly Finding[] {
  const requests = requestsOf(section);
  const asking = requests.find((name) => neededBy(name).length > 0);
  const out: Finding[] = [];
  if (new Set(requests).size < requests.length) out.push({ path: ['obs', 'request'], message: 'names a request twice' });
  if (asking) out.push({ path: ['obs', 'request'], message: `${asking} needs data: it cannot stand in a list` });
  if (Object.keys(section.data).length > 0) out.push({ path: ['obs', 'data'], message: 'has no meaning for a list of requests' });
  return out;
}

/** Fields without which the request means nothing, apart from those of which one is enough. */
function neededBy(name: ObsRequestName): readonly string[] {
  const { fields, optional = [], oneOf = [] } = obsRequest(name);
  return Object.keys(fields).filter((field) => !optional.includes(field) && !oneOf.includes(field));
}

function dataMistakes(name: ObsRequestName, declaration: CommandDeclaration, data: ObsSection['data']): readonly Finding[] {
  const { fields, optional = [], oneOf = [] } = obsRequest(name);
  const at = (message: string, ...path: string[]): Finding => ({ path: ['obs', 'data', ...path], message });
  const out: Finding[] = [];
  for (const field of neededBy(name)) if (!Object.hasOwn(data, field)) out.push(at(`${name} needs ${field}`));
  if (oneOf.length > 0 && oneOf.filter((field) => Object.hasOwn(data, field)).length !== 1)
    out.push(at(`${name} needs exactly one of ${oneOf.join(', ')}`));
  for (const [field, value] of Object.entries(data)) {
    const kind = Object.hasOwn(fields, field) ? fields[field] : undefined;
    const message = kind
      ? valueMistake(value, kind, declaration, optional.includes(field))
      : `is no field of ${name}${Object.keys(fields).length > 0 ? `: expected ${Object.keys(fields).join(', ')}` : ''}`;
    if (message !== undefined) out.push(at(message, field));
  }
  return out;
}

function valueMistake(
  value: Value,
  kind: keyof typeof PARAM_TYPES,
  { params }: CommandDeclaration,
  mayBeAbsent: boolean,
): string | undefined {
  const name = paramIn(value);
  if (name === undefined) {
    if (typeof value === 'string' && parseElement(value)?.kind !== 'literal') return 'a placeholder must be the whole value';
    return typeof value === LITERAL_TYPES[kind] ? undefined : `expected a ${kind}, or a param as "{x}"`;
  }
  const param = Object.hasOwn(params, name) ? params[name] : undefined;
  if (!param) return `there is no param of the name ${name}`;
  const types: readonly string[] = PARAM_TYPES[kind];
  if (!types.includes(param.type)) return `expected a param of the type ${types.join(' or ')}`;
  return mayBeAbsent || isAlwaysGiven(param) ? undefined : `needs a value: ${name} must not be optional`;
}

function isAlwaysGiven(param: ParamDeclaration): boolean {
  return isRequired(param) || defaultOf(param) !== undefined;
}

export function obsInvocation(section: ObsSection, args: CheckedArguments): ObsInvocation {
  const filled = Object.entries(section.data).map(([field, value]) => {
    const name = paramIn(value);
    return [field, name === undefined ? value : args[name]] as const;
  });
  return { kind: 'obs', requests: requestsOf(section), data: Object.fromEntries(filled.filter(([, value]) => value !== undefined)) };
}
