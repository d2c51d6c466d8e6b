import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import { expandVariables } from './environment.js';

/** A declaration with the address of its call as it is on this host. `off`: why it cannot be called here; only an optional one is that. */
export type Addressed = { readonly declaration: CommandDeclaration; readonly off?: string } | { readonly mistake: Finding };

/** Replaces variables in the address of a call. Where one is missing an optional command is off, and its address stands for none. */
export function addressed(declaration: CommandDeclaration, variable: (name: string) => string | undefined): Addressed {
  const { http, optional } = declaration;
  if (!http?.url.includes('${')) return { declaration };
  const withUrl = (url: string) => ({ ...declaration, optional: false, http: { ...http, url } });
  const expansion = expandVariables(http.url, variable);
  if (expansion.kind === 'expanded') return { declaration: withUrl(expansion.text) };
  const path = ['http', 'url'];
  if (expansion.kind === 'malformed') return { mistake: { path, message: 'expected variables as ${NAME} or ${NAME:-default}' } };
  const { name } = expansion;
  if (!optional) return { mistake: { path, message: `the variable ${name} is not set and has no default` } };
  const off = `It is not set up: an operator has to set ${name} in the environment of the gateway.`;
  return { declaration: withUrl(http.url.replace(/:?\$\{[^}]*\}/g, unsetPart)), off };
}

/** Something of the right form in the place of a variable, so that the rest can be checked. */
function unsetPart(found: string, offset: number): string {
  if (offset === 0) return 'https://unset.invalid';
  return found.startsWith(':') ? ':1' : 'unset';
}
