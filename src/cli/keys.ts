import { type KeyView, type CreatedKeyView, newKeySchema, presentCreated, presentKey } from '../auth/auth.schemas.js';
import { generateKey } from '../auth/key-format.js';
import { KeyService } from '../auth/key.service.js';
import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import type { Page } from '../domain/audit.js';
import { GatewayError } from '../domain/errors.js';
import { print } from './cli-failure.js';
import type { CreateKeyOptions, RemoteOptions } from './options.js';
import { callServer } from './remote.js';

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
  };
  const created = options.url
    ? await callServer<CreatedKeyView>(options.url, '/auth/token', { method: 'POST', body })
    : await withKeys(async (keys) => {
        const { text, key } = await keys.create(checked(body), MANAGER);
        return presentCreated(text, key);
      });
  print(
    created,
    options,
    () =>
      `${created.key}\n\nThis is the only time the key is shown. Id ${created.id}, role ${created.role}, scopes ${created.scopes.join(' ')}.`,
  );
}

export async function listKeys(options: RemoteOptions): Promise<void> {
  const { items } = options.url
    ? await callServer<Page<KeyView>>(options.url, '/auth/keys')
    : await withKeys(async (keys) => ({ items: (await keys.list()).map(presentKey) }));
  print(
    { items },
    options,
    () => items.map((key) => [key.id, key.role.padEnd(8), key.name, stateOf(key)].join('  ')).join('\n') || 'There are no keys.',
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

function checked(body: unknown) {
  const result = newKeySchema.safeParse(body);
  if (result.success) return result.data;
  const errors = result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  throw new GatewayError('invalid_request', 'The key cannot be made like this.', { errors });
}

function stateOf({ revokedAt, expiresAt }: KeyView): string {
  if (revokedAt) return `revoked ${revokedAt}`;
  return expiresAt ? `expires ${expiresAt}` : 'alive';
}
