import type { CheckedArguments, HttpInvocation } from '../domain/command.js';
import type { TargetRules } from '../domain/outgoing.js';
import { judgeTarget } from '../outgoing/url-rules.js';
import { invalidArguments } from './argument-check.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import type { HttpDeclaration } from './http-declaration.js';
import {
  encodePart,
  fillJson,
  fillText,
  namesIn,
  parseText,
  parseUrlTemplate,
  type TextTemplate,
  type UrlTemplate,
} from './http-templates.js';
import { targetOf } from './http-target.js';
import { typeOf } from './param-types.js';
import { SECRET_MASK } from './text-params.js';

type TextOf = (name: string) => string | undefined;

/** Turns checked arguments into the request to send. */
export class HttpPlan {
  private readonly template: UrlTemplate;
  private readonly target: TargetRules;
  private readonly headers: readonly (readonly [name: string, template: TextTemplate])[];
  private readonly secretNames: readonly string[];

  /** @param http of the declaration, free of mistakes */
  constructor(
    private readonly declaration: CommandDeclaration,
    private readonly http: HttpDeclaration,
  ) {
    const template = parseUrlTemplate(http.url);
    if (!template) throw new Error('the address of a call was not checked');
    this.template = template;
    this.target = targetOf(template, http);
    this.headers = Object.entries({ ...defaultHeaders(http), ...http.headers }).map(([name, text]) => [name, parseText(text)]);
    this.secretNames = secretNamesOf(declaration, http);
  }

  /** @throws GatewayError `invalid_arguments` when a value cannot stand where it would */
  invocation(values: CheckedArguments): HttpInvocation {
    const { method, redirects, expect } = this.http;
    const sent = this.message(values);
    for (const [name, text] of Object.entries(sent.headers)) if (!/^[\t\x20-\x7e]*$/.test(text)) throw this.misplaced(name);
    const shown = this.secretNames.length === 0 ? sent : this.message(this.masked(values));
    return { kind: 'http', method, url: this.address(values), ...sent, shown, target: this.target, redirects, expected: expect ?? null };
  }

  /** Texts that the caller put in. */
  inspected(values: CheckedArguments): readonly string[] {
    return Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'string' && !this.secretNames.includes(name) ? [value] : [],
    );
  }

  private message(values: CheckedArguments): HttpInvocation['shown'] {
    const textOf = this.textsOf(values);
    const headers = this.headers.flatMap(([name, template]) => {
      const text = fillText(template, textOf);
      return text === undefined ? [] : [[name, text] as const];
    });
    return { headers: Object.fromEntries(headers), body: bodyOf(this.http, values, textOf) };
  }

  private address(values: CheckedArguments): string {
    const { scheme, host, port, segments, query } = this.template;
    const textOf = this.textsOf(values);
    const path = segments.map((segment) => segmentOf(segment, textOf)).join('/');
    const pairs = query.flatMap(({ key, value }) => {
      const text = value === null ? null : fillText(value, textOf, encodePart);
      return text === undefined ? [] : [text === null ? key : `${key}=${text}`];
    });
    const name = typeof host === 'string' ? host : (textOf(host.param) ?? '');
    const url = `${scheme}://${name}${port === null ? '' : `:${port}`}/${path}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`;
    const verdict = judgeTarget(url, this.target);
    if ('refusal' in verdict) throw invalidArguments([{ path: typeof host === 'string' ? '' : host.param, message: verdict.refusal }]);
    // Whatever the reader of addresses would change about it, a value has brought in.
    if (verdict.url.href !== url) throw invalidArguments([{ path: '', message: 'would change the address beyond their place in it' }]);
    return url;
  }

  private textsOf(values: CheckedArguments): TextOf {
    return (name) => {
      const [value, param] = [values[name], this.declaration.params[name]];
      if (value === undefined) return undefined;
      if (param && value !== SECRET_MASK) return typeOf(param).render(value, param);
      // A secret of the gateway, or the mask of one: text.
      return typeof value === 'string' ? value : undefined;
    };
  }

  private masked(values: CheckedArguments): CheckedArguments {
    const given = this.secretNames.filter((name) => values[name] !== undefined);
    return { ...values, ...Object.fromEntries(given.map((name) => [name, SECRET_MASK])) };
  }

  private misplaced(header: string): Error {
    const [name = ''] = namesIn(this.http.headers[header]);
    return invalidArguments([
      { path: Object.hasOwn(this.declaration.params, name) ? name : '', message: 'expected plain ASCII: it stands in a header' },
    ]);
  }
}

/** Params and kept secrets that are to be shown to nobody. */
function secretNamesOf({ params, secrets }: CommandDeclaration, { headers, json, form }: HttpDeclaration): readonly string[] {
  const used = new Set(namesIn([headers, json, form]));
  return [...used].filter((name) => params[name]?.type === 'secret' || Object.hasOwn(secrets, name));
}

function defaultHeaders({ json, form }: HttpDeclaration): Readonly<Record<string, string>> {
  if (json !== undefined) return { 'content-type': 'application/json' };
  return form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
}

function bodyOf({ json, form }: HttpDeclaration, values: CheckedArguments, textOf: TextOf): string | null {
  if (json !== undefined) return JSON.stringify(fillJson(json, (name) => values[name], textOf)) ?? null;
  if (form === undefined) return null;
  const fields = Object.entries(form).flatMap(([key, text]) => {
    const filled = fillText(parseText(text), textOf);
    return filled === undefined ? [] : [[key, filled] as [string, string]];
  });
  return new URLSearchParams(fields).toString();
}

/** One part of the path: never empty because of a value, never a step up. */
function segmentOf(segment: TextTemplate, textOf: TextOf): string {
  const filled = fillText(segment, textOf, encodePart) ?? '';
  const placed = segment.find((piece) => typeof piece === 'object');
  if (placed === undefined) return filled;
  if (filled !== '' && !/^(\.|%2e){1,2}$/i.test(filled)) return filled;
  throw invalidArguments([{ path: placed.param, message: 'expected a part of a path: not empty, and neither . nor ..' }]);
}
