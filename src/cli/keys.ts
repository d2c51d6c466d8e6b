import type { z } from 'zod';
import {
  type CreatedKeyView,
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
import { print } from './cli-failure.js';
import type { CreateKeyOptions, RemoteOptions, RotateKeyOptions } from './options.js';
import { callServer } from './remote.js';

const PAGE = 200;
const MANAGER = { principal: LOCAL_PRINCIPAL, requestId: 'cli' };

/** A key that no store knows yet: for ADMIN_KEY of a first start. */
export function generate(options: { readonly json?: boolean }): void {
  const { text } = generateKey();
  print({ key: text }, options, () => text);
}

export async function createKey(name: string, options: CreateKeyOptions): Promise<void> {
  const body = {
    name,
    role: options.role,
    ...(options.scope ? { scopes: options.scope } : {}),
    ...(options.expiresIn ? { expiresIn: options.expiresIn } : {}),
    ...(options.address ? { addresses: options.address } : {}),
    ...(options.rate ? { rate: options.rate } : {}),
    ...(options.budget ? { budget: Number(options.budget) } : {}),
  };
  const created = options.url
    ? await callServer<CreatedKeyView>(options.url, '/auth/token', { method: 'POST', body })
    : await withKeys(async (keys) => {
        const { text, key } = await keys.create(checked(newKeySchema, body), MANAGER);
        return presentCreated(text, key);
      });
  print(
    created,
    options,
    () =>
      `${created.key}\n\nThis is the only time the key is shown. Id ${created.id}, role ${created.role}, scopes ${created.scopes.join(' ')}.`,
  );
}

/** All of them, page by page. */
export async function listKeys(options: RemoteOptions): Promise<void> {
  const { url } = options;
  const items = url
    ? await allPages((cursor) => callServer<Page<KeyView>>(url, `/auth/keys?limit=${PAGE}${cursor ? `&cursor=${cursor}` : ''}`))
    : (await withKeys((keys) => allPages((cursor) => keys.page({ limit: PAGE, cursor })))).map(presentKey);
  print(
    { items },
    options,
    () => items.map((key) => [key.id, key.role.padEnd(8), key.name, stateOf(key)].join('  ')).join('\n') || 'There are no keys.',
  );
}

export async function rotateKey(id: string, options: RotateKeyOptions): Promise<void> {
  const body = options.overlap === undefined ? {} : { overlap: options.overlap };
  const rotated = options.url
    ? await callServer<RotatedKeyView>(options.url, `/auth/keys/${encodeURIComponent(id)}/rotate`, { method: 'POST', body })
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
  if (options.url) await callServer(options.url, `/auth/keys/${encodeURIComponent(id)}`, { method: 'DELETE' });
  else await withKeys((keys) => keys.revoke(id, MANAGER));
  print({ revoked: id }, options, () => `Key ${id} is revoked.`);
}

/** The rooms are loaded only where they are needed: a server's keys are managed without them. */
async function withKeys<T>(work: (keys: KeyService) => Promise<T>): Promise<T> {
  const { withLocalRooms } = await import('./local.js');
  return withLocalRooms(async ({ context, gateway }) => {
    await gateway.openStore();
    return work(context.get(KeyService));
  });
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
  throw new GatewayError('invalid_request', 'The key cannot be made like this.', { errors });
}

function stateOf({ revokedAt, expiresAt }: KeyView): string {
  if (revokedAt) return `revoked ${revokedAt}`;
  return expiresAt ? `expires ${expiresAt}` : 'alive';
}
