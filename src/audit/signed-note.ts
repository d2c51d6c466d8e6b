import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** Signature type of Ed25519 in signed notes (C2SP signed-note). */
const ED25519 = 0x01;
/** What stands before the 32 bytes of a seed in PKCS #8, and before those of a public key in SPKI (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_ID_BYTES = 4;
const KEY_BYTES = 32;

/** A public key as signed notes name it. */
export interface NoteKey {
  readonly name: string;
  /** As it is handed around: `name+keyid+base64(type||key)` (C2SP signed-note, "verifier keys"). */
  readonly text: string;
  readonly id: Buffer;
  readonly key: KeyObject;
}

/** Signs notes: a text of whole lines, an empty line, and the signature line `— name base64(keyid||signature)`. */
export class NoteSigner {
  readonly publicKey: NoteKey;
  private readonly privateKey: KeyObject;

  /** The name is made from the key: nothing has to be configured, and two logs never share one. @param seed 32 bytes */
  constructor(seed: Buffer) {
    this.privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
    const bytes = createPublicKey(this.privateKey).export({ format: 'der', type: 'spki' }).subarray(SPKI.length);
    this.publicKey = noteKey(`sallyport/audit/${sha256(bytes).toString('hex').slice(0, 16)}`, bytes);
  }

  sign(text: string): string {
    const { name, id } = this.publicKey;
    const signature = sign(null, Buffer.from(text), this.privateKey);
    return `${text}\n— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
  }
}

/** Undefined when it is no key in the form of {@link NoteKey.text}. */
export function parseNoteKey(text: string): NoteKey | undefined {
  const [, name = '', id = '', encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim()) ?? [];
  const bytes = decoded(encoded);
  if (bytes?.length !== KEY_BYTES + 1 || bytes[0] !== ED25519) return undefined;
  const key = noteKey(name, bytes.subarray(1));
  return key.id.toString('hex') === id ? key : undefined;
}

/** The text of the note, when one of these keys has signed it; lines of other signers are passed over. */
export function openNote(note: string, keys: readonly NoteKey[]): string | undefined {
  const end = note.lastIndexOf('\n\n') + 1;
  if (end === 0 || !note.endsWith('\n')) return undefined;
  const text = note.slice(0, end);
  const signatures = note.slice(end + 1, -1).split('\n');
  if (!signatures.every((line) => SIGNATURE.test(line))) return undefined;
  return signatures.some((line) => keys.some((key) => isSignedBy(key, text, line))) ? text : undefined;
}

const SIGNATURE = /^— (\S+) ([A-Za-z0-9+/=]+)$/;

function isSignedBy({ name, id, key }: NoteKey, text: string, line: string): boolean {
  const [, signer, encoded = ''] = SIGNATURE.exec(line) ?? [];
  const bytes = decoded(encoded);
  if (signer !== name || !bytes?.subarray(0, KEY_ID_BYTES).equals(id)) return false;
  return verify(null, Buffer.from(text), key, bytes.subarray(KEY_ID_BYTES));
}

function noteKey(name: string, bytes: Buffer): NoteKey {
  const typed = Buffer.concat([Buffer.of(ED25519), bytes]);
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), typed])).subarray(0, KEY_ID_BYTES);
  const key = createPublicKey({ key: Buffer.concat([SPKI, bytes]), format: 'der', type: 'spki' });
  return { name, text: `${name}+${id.toString('hex')}+${typed.toString('base64')}`, id, key };
}

/** Undefined when it is not the one spelling that these bytes have. */
export function decoded(base64: string): Buffer | undefined {
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : undefined;
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
