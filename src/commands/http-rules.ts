import { judgeTarget } from '../outgoing/url-rules.js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import type { HttpDeclaration } from './http-declaration.js';
import { targetOf } from './http-target.js';
import { namesIn, parseUrlTemplate, type UrlTemplate } from './http-templates.js';
import { isRequired, type ParamDeclaration } from './param-types.js';

/** Set by the gateway, or about the connection and not the message. */
const OWN_HEADERS = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'upgrade', 'te', 'trailer', 'expect'],
  ...['accept-encoding', 'traceparent', 'tracestate', 'proxy-authorization', 'proxy-connection'],
]);
const HOST_TYPES = ['hostname', 'enum'];

/** Every mistake of a command that calls a service. */
export function httpRule(declaration: CommandDeclaration): readonly Finding[] {
  const { http } = declaration;
  if (!http) return [];
  return [
    ...methodMistakes(declaration, http),
    ...addressMistakes(declaration, http),
    ...headerMistakes(http),
    ...placeholderMistakes(declaration, http),
  ];
}

function methodMistakes({ effect }: CommandDeclaration, { method, readsOnly, json, form }: HttpDeclaration): readonly Finding[] {
  const isReading = method === 'GET' || method === 'HEAD';
  const out: Finding[] = [];
  if (effect === 'read' && !isReading && !readsOnly)
    out.push({ path: ['effect'], message: `${method} changes something: say change or destroy, or readsOnly: true if it does not` });
  if (readsOnly && (isReading || effect !== 'read')) out.push({ path: ['http', 'readsOnly'], message: 'says nothing here' });
  if (json !== undefined && form !== undefined) out.push({ path: ['http', 'form'], message: 'there is a body already: json' });
  if (isReading && (json !== undefined || form !== undefined)) out.push({ path: ['http', 'method'], message: `${method} has no body` });
  return out;
}

function addressMistakes(declaration: CommandDeclaration, http: HttpDeclaration): readonly Finding[] {
  const path = ['http', 'url'];
  const template = parseUrlTemplate(http.url);
  if (!template)
    return [
      {
        path,
        message:
          'expected http(s)://host/path?key=value in lower case; placeholders: the whole host, parts of the path, values of the query',
      },
    ];
  const { host } = template;
  if (typeof host === 'object') return hostParamMistakes(host.param, declaration, http);
  if (http.hosts.length > 0 && http.redirects === 0)
    return [{ path: ['http', 'hosts'], message: 'says nothing where the host is fixed and no redirect followed' }];
  const sample = sampleOf(template, http.url);
  const verdict = judgeTarget(sample, targetOf(template, http));
  if ('refusal' in verdict) return [{ path, message: `${verdict.refusal}; privateRanges allows addresses that are not public` }];
  return verdict.url.href === sample
    ? []
    : [{ path, message: 'is not written as it would be sent: encode what has a meaning, leave out . and ..' }];
}

/** The address with something plain in each place, and with the slash that goes without saying. */
function sampleOf({ scheme, host, port }: UrlTemplate, text: string): string {
  const start = `${scheme}://${typeof host === 'string' ? host : ''}${port === null ? '' : `:${port}`}`;
  const rest = text.slice(start.length).replace(/\{\w+\}/g, 'x');
  return `${start}${rest.startsWith('/') ? '' : '/'}${rest}`;
}

function hostParamMistakes(name: string, { params }: CommandDeclaration, { hosts }: HttpDeclaration): readonly Finding[] {
  const type = params[name]?.type;
  return [
    ...(type === undefined || HOST_TYPES.includes(type)
      ? []
      : [{ path: ['params', name], message: `is a host: expected ${HOST_TYPES.join(' or ')}` }]),
    ...(hosts.length > 0 ? [] : [{ path: ['http', 'hosts'], message: 'is missing: the host is a param' }]),
  ];
}

function headerMistakes({ headers }: HttpDeclaration): readonly Finding[] {
  return Object.entries(headers).flatMap(([name, text]) => {
    const path = ['http', 'headers', name];
    if (OWN_HEADERS.has(name)) return [{ path, message: 'is set by the gateway' }];
    return /^[\t\x20-\x7e]*$/.test(text) ? [] : [{ path, message: 'expected plain ASCII' }];
  });
}

function placeholderMistakes({ params, secrets }: CommandDeclaration, http: HttpDeclaration): readonly Finding[] {
  const [pathPart = '', queryPart = ''] = http.url.split('?', 2);
  const inPath = namesIn(pathPart);
  const inUrl = [...inPath, ...namesIn(queryPart)];
  const inHeaders = namesIn(http.headers);
  const used = new Set([...inUrl, ...inHeaders, ...namesIn([http.json, http.form])]);
  const known = (name: string) => Object.hasOwn(params, name) || Object.hasOwn(secrets, name);
  const mistakes = (name: string, param: ParamDeclaration) =>
    paramMistake(param, {
      inPath: inPath.includes(name),
      inUrl: inUrl.includes(name),
      inHeaders: inHeaders.includes(name),
      isUsed: used.has(name),
    });
  return [
    ...[...used].filter((name) => !known(name)).map((name) => ({ path: ['http'], message: `there is no param of the name ${name}` })),
    ...inUrl.filter((name) => Object.hasOwn(secrets, name)).map((name) => ({ path: ['secrets', name], message: SECRET_IN_URL })),
    ...Object.keys(secrets)
      .filter((name) => !used.has(name))
      .map((name) => ({ path: ['secrets', name], message: 'is never used' })),
    ...Object.entries(params).flatMap(([name, param]) => {
      const message = mistakes(name, param);
      return message === undefined ? [] : [{ path: ['params', name], message }];
    }),
  ];
}

const SECRET_IN_URL = 'a secret never stands in an address, which logs on its way keep: use a header or the body';

interface Places {
  readonly inPath: boolean;
  readonly inUrl: boolean;
  readonly inHeaders: boolean;
  readonly isUsed: boolean;
}

function paramMistake(param: ParamDeclaration, { inPath, inUrl, inHeaders, isUsed }: Places): string | undefined {
  if (!isUsed) return 'is never used';
  if (inUrl && param.type === 'secret') return SECRET_IN_URL;
  if (inHeaders && param.type === 'text') return 'a text of many lines never stands in a header';
  return inPath && param.optional && !isRequired(param) ? 'stands in the path: it cannot be left out' : undefined;
}
