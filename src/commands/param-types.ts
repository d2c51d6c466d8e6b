import { z } from 'zod';
import { firstFolder, folderParam } from './folder-param.js';
import { durationParam, integerParam, numberParam } from './number-params.js';
import type { ParamType } from './param-type.js';
import { hostnameParam, jsonParam, pathParam, urlParam } from './place-params.js';
import { booleanParam, enumParam, secretParam, stringParam, textParam } from './text-params.js';

/** Every type of param there is. */
export const PARAM_TYPES = {
  string: stringParam,
  integer: integerParam,
  number: numberParam,
  boolean: booleanParam,
  enum: enumParam,
  path: pathParam,
  folder: folderParam,
  url: urlParam,
  hostname: hostnameParam,
  duration: durationParam,
  json: jsonParam,
  text: textParam,
  secret: secretParam,
} as const;

export type ParamTypeName = keyof typeof PARAM_TYPES;
type DeclarationOf<Type> = Type extends ParamType<infer Declaration> ? Declaration : never;

/** A param as the catalogue declares it, its defaults filled in. */
export type ParamDeclaration = DeclarationOf<(typeof PARAM_TYPES)[ParamTypeName]>;

/** The rules of a param's type. */
export function typeOf(declaration: ParamDeclaration): ParamType<ParamDeclaration> {
  return PARAM_TYPES[declaration.type];
}

/** Whether a person may leave the param out. */
export function isRequired(declaration: ParamDeclaration): boolean {
  return declaration.type !== 'folder' && !declaration.optional && defaultOf(declaration) === undefined;
}

/** The declared default, of folders the first one; undefined when there is none. */
export function defaultOf(declaration: ParamDeclaration): unknown {
  if (declaration.type === 'folder') return declaration.default ?? firstFolder(declaration);
  return 'default' in declaration ? declaration.default : undefined;
}

/** The catalogue's schema of one param, told apart by `type`. */
export const paramSchema = z.discriminatedUnion(
  'type',
  Object.values(PARAM_TYPES).map(({ declaration }) => declaration) as unknown as [
    z.core.$ZodTypeDiscriminable,
    ...z.core.$ZodTypeDiscriminable[],
  ],
  {
    error: ({ code }) =>
      code === 'invalid_union' ? `expected one of ${Object.keys(PARAM_TYPES).join(', ')}` : 'expected a mapping with `type`',
  },
) as unknown as z.ZodType<ParamDeclaration>;
