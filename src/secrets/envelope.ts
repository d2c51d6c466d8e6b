import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import type { SecretName, StoredSecret } from '../domain/secret.js';

/** NIST SP 800-38D: a fresh 96-bit nonce for each encryption, and the whole tag. */
const [ALGORITHM, NONCE_BYTES, TAG_BYTES] = ['aes-256-gcm', 12, 16] as const;
const KEY_BYTES = 32;

/** A master key that is neither printed nor serialised by accident, with the name it goes by. */
export interface MasterKey {
  /** 16 hex digits that follow from the key and say nothing of it. */
  readonly id: string;
  readonly key: KeyObject;
}

export type Envelope = Pick<StoredSecret, 'keyId' | 'wrappedKey' | 'sealed'>;
type Labelled = Pick<StoredSecret, 'name' | 'version'>;

export function masterKey(bytes: Buffer): MasterKey {
  const key = createSecretKey(bytes);
  return { id: createHmac('sha256', key).update('sallyport master key').digest('hex').slice(0, 16), key };
}

/** Encrypts a value with a data key of its own, and that with the master key. Neither fits under another name or version. */
export function sealSecret(value: string, label: Labelled, master: MasterKey): Envelope {
  const dataKey = randomBytes(KEY_BYTES);
  try {
    return {
      keyId: master.id,
      wrappedKey: encrypt(master.key, dataKey, keyContext(label, master.id)),
      sealed: encrypt(createSecretKey(dataKey), Buffer.from(value), valueContext(label)),
    };
  } finally {
    dataKey.fill(0);
  }
}

/** Undefined when the key is not the right one, or anything was changed: the two cannot be told apart. */
export function openSecret(secret: StoredSecret, master: MasterKey): string | undefined {
  const dataKey = unwrap(secret, master);
  if (!dataKey) return undefined;
  const value = decrypt(createSecretKey(dataKey), secret.sealed, valueContext(secret));
  dataKey.fill(0);
  return value?.toString();
}

/** The same secret under another master key, its value untouched; undefined as in {@link openSecret}. */
export function rewrapSecret(secret: StoredSecret, from: MasterKey, to: MasterKey): StoredSecret | undefined {
  const dataKey = unwrap(secret, from);
  if (!dataKey) return undefined;
  const wrappedKey = encrypt(to.key, dataKey, keyContext(secret, to.id));
  dataKey.fill(0);
  return { ...secret, keyId: to.id, wrappedKey };
}

function unwrap(secret: StoredSecret, master: MasterKey): Buffer | undefined {
  return decrypt(master.key, secret.wrappedKey, keyContext(secret, master.id));
}

function keyContext({ name, version }: Labelled, keyId: string): string {
  return contextOf('key', name, version, keyId);
}

function valueContext({ name, version }: Labelled): string {
  return contextOf('value', name, version);
}

/** What an encryption is bound to, without two readings. */
function contextOf(...parts: readonly (SecretName | number)[]): string {
  return JSON.stringify(['sallyport secret', 1, ...parts]);
}

/** Nonce, ciphertext and tag in one, base64. */
function encrypt(key: KeyObject, plain: Buffer, context: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

function decrypt(key: KeyObject, text: string, context: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const [nonce, body, tag] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES, -TAG_BYTES), bytes.subarray(-TAG_BYTES)];
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context)).setAuthTag(tag);
  const plain = decipher.update(body);
  try {
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    return undefined; // The tag does not fit: that is the answer.
  }
}
