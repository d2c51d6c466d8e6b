import { readFileSync } from 'node:fs';
import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import { MASTER_KEY_EXPECTATION, parseMasterKey } from '../config/master-key-text.js';
import type { Page } from '../domain/audit.js';
import { KeyRotation } from '../secrets/key-rotation.js';
import { SecretService, type SecretSummary } from '../secrets/secret.service.js';
import { nameOf, valueOf } from '../secrets/secret-value.js';
import { CliFailure, EXIT_REFUSED, print } from './cli-failure.js';
import type { RemoteOptions, RotateOptions } from './options.js';
import { callServer } from './remote.js';
import { readSecret } from './secret-input.js';
import { withStore } from './with-store.js';

const MANAGER = { principal: LOCAL_PRINCIPAL, requestId: 'cli' };

/** The name is checked before anybody types a value, and the value here as well as at a server. */
export async function setSecret(text: string, options: RemoteOptions): Promise<void> {
  const name = nameOf(text);
  const value = valueOf(await readSecret(`Value of ${name}: `));
  const secret = options.url
    ? await callServer<SecretSummary>(options.url, addressOf(name), { method: 'PUT', body: { value } })
    : await withRoom(SecretService, (secrets) => secrets.set(name, value, MANAGER));
  print(secret, options, () => `${name} is set (version ${secret.version}). It is never shown again.`);
}

export async function listSecrets(options: RemoteOptions): Promise<void> {
  const { items } = options.url
    ? await callServer<Page<SecretSummary>>(options.url, '/secrets')
    : await withRoom(SecretService, async (secrets) => ({ items: await secrets.list() }));
  print({ items }, options, () => items.map(lineOf).join('\n') || 'There are no secrets.');
}

export async function deleteSecret(name: string, options: RemoteOptions): Promise<void> {
  if (options.url) await callServer(options.url, addressOf(name), { method: 'DELETE' });
  else await withRoom(SecretService, (secrets) => secrets.delete(name, MANAGER));
  print({ deleted: name }, options, () => `${name} is deleted.`);
}

/** Of this host only: the new key is no business of a network. */
export async function rotateKey(options: RotateOptions): Promise<void> {
  const given = options.newKeyFile === undefined ? undefined : readMasterKey(options.newKeyFile);
  const rotation = await withRoom(KeyRotation, (rotations) => rotations.rotate(given, MANAGER));
  const next = given ? ' Put the new key into SECRETS_KEY now, and restart the server.' : '';
  print(rotation, options, () => `Secrets under the new master key ${rotation.to} (before: ${rotation.from}): ${rotation.secrets}.${next}`);
}

function readMasterKey(file: string): Buffer {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new CliFailure('--new-key-file: expected a file that can be read', EXIT_REFUSED);
  }
  const key = parseMasterKey(text);
  if (!key) throw new CliFailure(`--new-key-file: expected ${MASTER_KEY_EXPECTATION}`, EXIT_REFUSED);
  return key;
}

function addressOf(name: string): string {
  return `/secrets/${encodeURIComponent(name)}`;
}

function lineOf({ name, version, createdAt, updatedAt }: SecretSummary): string {
  return [name, `version ${version}`, `created ${createdAt}`, `set ${updatedAt}`].join('  ');
}

function withRoom<Room, T>(room: new (...parts: never[]) => Room, work: (room: Room) => Promise<T>): Promise<T> {
  return withStore(({ context }) => work(context.get<Room>(room)));
}
