import type { z } from 'zod';
import {
  childKeySchema,
  type CreatedKeyView,
  keyChangeSchema,
  type KeyView,
  newKeySchema,
  presentCreated,
  presentKey,
  presentRotated,
  type RotatedKeyView,
  rotationSchema,
} from '../auth/auth.schemas.js';
import { generateKey } from '../auth/key-format.js';
import { KeyService } from '../auth/key.service.js';
import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import type { Page } from '../domain/audit.js';
import { GatewayError } from '../domain/errors.js';
import { parsePins } from './arguments.js';
import { CliFailure, EXIT_REFUSED, print } from './cli-failure.js';
import type { ChangeKeyOptions, CreateKeyOptions, KeyTermsOptions, ListKeysOptions, RemoteOptions, RotateKeyOptions } from './options.js';
import { callServer } from './remote.js';
import { withStore } from './with-store.js';

const PAGE = 200;
/** In the place of a bound: takes it away. */
const NONE = 'none';
const MANAGER = { principal: LOCAL_PRINCIPAL, requestId: 'cli' };

/** A key that no store knows yet: for ADMIN_KEY of a first start. */
export function generate(options: { readonly json?: boolean }): void {
  const { text } = generateKey();
  print({ key: text }, options, () => text);
}

/** A key of its own, or with `--parent` one that is narrower than that key. */
export async function createKey(name: string, options: CreateKeyOptions): Promise<void> {
  const created = await (options.parent === undefined ? createRoot(name, options) : createChild(name, options.parent, options));
  print(
    created,
    options,
    () =>
      `${created.key}\n\nThis is the only time the key is shown. Id ${created.id}, role ${created.role}, scopes ${created.scopes.join(' ')}.`,
  );
}

function createRoot(name: string, options: CreateKeyOptions): Promise<CreatedKeyView> {
  if (options.pin ?? options.calls)
    throw new CliFailure('--pin and --calls bind a key that is made from another one: --parent.', EXIT_REFUSED);
  const body = { name, role: 'operator', ...termsIn(options) };
  if (options.url) return callServer(options.url, '/auth/token', { method: 'POST', body });
  return withKeys(async (keys) => {
    const { text, key } = await keys.create(checked(newKeySchema, body), MANAGER);
    return presentCreated(text, key);
  });
}

function createChild(name: string, parent: string, options: CreateKeyOptions): Promise<CreatedKeyView> {
  const { pin, calls } = options;
  const body = {
    name,
    ...termsIn(options),
    ...(pin ? { pinned: parsePins(pin) } : {}),
    ...(calls === undefined ? {} : { calls: wholeNumber(calls) }),
  };
  if (options.url) return callServer(options.url, `${addressOf(parent)}/children`, { method: 'POST', body });
  return withKeys(async (keys) => {
    const { text, key } = await keys.createChild(parent, checked(childKeySchema, body), MANAGER);
    return presentCreated(text, key);
  });
}

/** What of a key shall be otherwise; the word `none` takes a bound away. */
export async function changeKey(id: string, options: ChangeKeyOptions): Promise<void> {
  const body = { ...(options.name === undefined ? {} : { name: options.name }), ...termsIn(options) };
  const key = options.url
    ? await callServer<KeyView>(options.url, addressOf(id), { method: 'PATCH', body })
    : await withKeys(async (keys) => presentKey(await keys.change(id, checked(keyChangeSchema, body), MANAGER)));
  print(key, options, () => `Key ${id} is now: ${describe(key)}`);
}

/** What is no number stays text, which the schema refuses: as JSON, NaN would be null, and take a bound away. */
function wholeNumber(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** The part of a body that new and changed keys have in common; what was not given is left out. */
function termsIn({ role, scope, expiresIn, address, rate, budget, tokens }: KeyTermsOptions): Record<string, unknown> {
  const terms = {
    role,
    scopes: scope,
    ...(expiresIn === NONE ? { expiresAt: null } : { expiresIn }),
    addresses: address?.includes(NONE) ? null : address,
    rate: rate === NONE ? null : rate,
    budget: budget === NONE ? null : budget && wholeNumber(budget),
    tokens: tokens === NONE ? null : tokens && wholeNumber(tokens),
  };
  return Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined));
}

/** All of them, page by page. */
export async function listKeys(options: ListKeysOptions): Promise<void> {
  const items = await (options.url ? keysAtServer(options.url, options.parent) : keysHere(options.parent));
  print({ items }, options, () => items.map(describe).join('\n') || 'There are no keys.');
}

function keysAtServer(url: string, parent: string | undefined): Promise<KeyView[]> {
  const path = parent === undefined ? '/auth/keys' : `${addressOf(parent)}/children`;
  return allPages((cursor) => callServer<Page<KeyView>>(url, `${path}?limit=${PAGE}${cursor ? `&cursor=${cursor}` : ''}`));
}

async function keysHere(parent: string | undefined): Promise<KeyView[]> {
  const keys = await withKeys((service) =>
    allPages((cursor) => {
      const query = { limit: PAGE, cursor };
      return parent === undefined ? service.page(query) : service.children(parent, query, LOCAL_PRINCIPAL);
    }),
  );
  return keys.map(presentKey);
}

export async function rotateKey(id: string, options: RotateKeyOptions): Promise<void> {
  const body = options.overlap === undefined ? {} : { overlap: options.overlap };
  const rotated = options.url
    ? await callServer<RotatedKeyView>(options.url, `${addressOf(id)}/rotate`, { method: 'POST', body })
    : await withKeys(async (keys) => {
        const { text, key } = await keys.rotate(id, checked(rotationSchema, body).overlap, MANAGER);
        return presentRotated(text, key);
      });
  print(
    rotated,
    options,
    () => `${rotated.key}\n\nThis is the only time the key is shown. The old one is taken until ${rotated.previousValidUntil}.`,
  );
}

export async function revokeKey(id: string, options: RemoteOptions): Promise<void> {
  if (options.url) await callServer(options.url, addressOf(id), { method: 'DELETE' });
  else await withKeys((keys) => keys.revoke(id, MANAGER));
  print({ revoked: id }, options, () => `Key ${id} is revoked.`);
}

function addressOf(id: string): string {
  return `/auth/keys/${encodeURIComponent(id)}`;
}

function withKeys<T>(work: (keys: KeyService) => Promise<T>): Promise<T> {
  return withStore(({ context }) => work(context.get(KeyService)));
}

async function allPages<Item>(page: (cursor: string | undefined) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const next: Page<Item> = await page(cursor);
    items.push(...next.items);
    cursor = next.nextCursor;
  }
  return items;
}

function checked<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const errors = result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  throw new GatewayError('invalid_request', 'The key cannot be like this.', { errors });
}

function describe(key: KeyView): string {
  return [key.id, key.role.padEnd(8), key.name, stateOf(key)].join('  ');
}

function stateOf({ revokedAt, expiresAt }: KeyView): string {
  if (revokedAt) return `revoked ${revokedAt}`;
  return expiresAt ? `expires ${expiresAt}` : 'alive';
}
