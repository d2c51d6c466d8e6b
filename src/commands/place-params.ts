import { z } from 'zod';
import { jsonRefusal, parseJson } from './json-value.js';
import { allowDash, commonKeys, expected, isLine, refusingDash, type ParamType } from './param-type.js';
import { resolveInJail } from './path-jail.js';
import { checkUrl } from '../outgoing/url-rules.js';

const MAX_PATH = 4_096;
const MAX_URL = 2_048;

const pathDeclaration = z.strictObject({
  type: z.literal('path'),
  ...commonKeys(z.string()),
  root: z.string().min(1).meta({ description: 'Folder that the path cannot leave; `${NAME}` and `${NAME:-default}` are replaced' }),
  mustExist: z.boolean().default(false),
  kind: z.enum(['file', 'directory', 'any']).default('any'),
});

const hostPattern = z.string().regex(/^(\*|(\*\.)?[a-z0-9.:-]+)$/, { error: 'expected a host, *.example.com or *' });
const urlDeclaration = z.strictObject({
  type: z.literal('url'),
  ...commonKeys(z.string()),
  schemes: z
    .array(z.string().regex(/^[a-z][a-z0-9+.-]*$/))
    .min(1)
    .default(['https']),
  hosts: z.array(hostPattern).min(1).meta({ description: 'Allowed hosts: exact, `*.example.com`, or `*`' }),
  allowPrivate: z.boolean().default(false).meta({ description: 'Allow loopback, private, link-local and metadata addresses' }),
});

const hostnameDeclaration = z.strictObject({ type: z.literal('hostname'), ...commonKeys(z.string()) });

const jsonDeclaration = z.strictObject({
  type: z.literal('json'),
  ...commonKeys(z.unknown()),
  maxLength: z.int().min(1).max(1_048_576).default(65_536).meta({ description: 'Most characters as JSON text' }),
  allowDash,
});

/** RFC 1123: labels of letters, digits and inner hyphens, 253 characters in all. Covers IPv4 addresses. */
const HOSTNAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

const asIs = (text: string): unknown => text;

export const pathParam: ParamType<z.output<typeof pathDeclaration>> = {
  declaration: pathDeclaration,
  mayStandInArgv: true,
  mistakes: () => [],
  value({ mustExist, kind }, use) {
    const message = expected(`a path of 1 to ${MAX_PATH} characters`);
    const line = z
      .string(message)
      .min(1, message)
      .max(MAX_PATH, message)
      .refine(isLine, { ...message, abort: true });
    return refusingDash(line, { ...use, refuseDash: true }).transform(async (text, context) => {
      const verdict = await resolveInJail(text, { root: use.root ?? '/', mustExist, kind });
      if ('path' in verdict) return verdict.path;
      context.addIssue({ code: 'custom', message: verdict.refusal });
      return z.NEVER;
    });
  },
  render: String,
  fromText: asIs,
  example: () => '.',
};

export const urlParam: ParamType<z.output<typeof urlDeclaration>> = {
  declaration: urlDeclaration,
  mayStandInArgv: true,
  mistakes: () => [],
  value(declaration) {
    const message = expected(`a URL of at most ${MAX_URL} characters`);
    return z
      .string(message)
      .max(MAX_URL, message)
      .refine(isLine, { ...message, abort: true })
      .meta({ format: 'uri' })
      .transform((text, context) => {
        const verdict = checkUrl(text, declaration);
        if ('href' in verdict) return verdict.href;
        context.addIssue({ code: 'custom', message: verdict.refusal });
        return z.NEVER;
      });
  },
  render: String,
  fromText: asIs,
  example: ({ schemes, hosts }) => `${schemes[0]}://${(hosts[0] ?? '*').replace(/^\*$/, 'example.com').replace(/^\*/, 'www')}/`,
};

export const hostnameParam: ParamType<z.output<typeof hostnameDeclaration>> = {
  declaration: hostnameDeclaration,
  mayStandInArgv: true,
  mistakes: () => [],
  value() {
    const message = expected('a host name');
    return z.string(message).max(253, message).regex(HOSTNAME, message).toLowerCase();
  },
  render: String,
  fromText: asIs,
  example: () => 'example.com',
};

export const jsonParam: ParamType<z.output<typeof jsonDeclaration>> = {
  declaration: jsonDeclaration,
  mayStandInArgv: true,
  mistakes: () => [],
  value({ maxLength }, use) {
    return z.unknown().superRefine((value, context) => {
      const refusal =
        value === undefined ? 'required' : (jsonRefusal(value) ?? textRefusal(JSON.stringify(value), maxLength, use.refuseDash));
      if (refusal !== undefined) context.addIssue({ code: 'custom', message: refusal });
    });
  },
  render: (value) => JSON.stringify(value),
  fromText: parseJson,
  example: () => ({}),
};

function textRefusal(text: string, maxLength: number, refuseDash: boolean): string | undefined {
  if (text.length > maxLength) return `expected at most ${maxLength} characters of JSON`;
  return refuseDash && text.startsWith('-') ? 'must not begin with "-"' : undefined;
}
