// Written from docs/audit.md alone, and it shares nothing with the product: it works on bytes, not on entries.
import { createHash, webcrypto } from 'node:crypto';

/** What it found: the number of the first bad entry, or null; and up to where checkpoints prove the log. */
export interface SecondVerdict {
  readonly firstBad: number | null;
  readonly proven: number;
}

const HASH_MEMBER = /^(.*,)"hash":"([0-9a-f]{64})",("previousHash":"([0-9a-f]{64})",.*)$/su;
const ENDS = /,"seq":(0|[1-9][0-9]*),"subject":"(?:[^"\\]|\\.)*"\}$/su;

/** @param notes whole notes; @param verifierKeys `name+keyid+key` */
export async function secondVerdict(
  log: Uint8Array,
  notes: readonly string[] = [],
  verifierKeys: readonly string[] = [],
): Promise<SecondVerdict> {
  const claims = new Map<number, Set<string>>();
  for (const note of notes) {
    const [size, head] = await claimOf(note, verifierKeys);
    if (size > 0) claims.set(size, (claims.get(size) ?? new Set()).add(head));
  }
  const sizes = [...claims.keys()].sort((a, b) => a - b);
  let [before, number, proven] = ['0'.repeat(64), 0, 0];
  for (let at = 0; at < log.length;) {
    const end = log.indexOf(10, at);
    number += 1;
    const hash = end === -1 ? undefined : soundHash(log.subarray(at, end), number, before);
    if (hash === undefined) return { firstBad: number, proven };
    if (sizes[0] === number) {
      if ([...(claims.get(number) ?? [])].some((head) => head !== hash)) return { firstBad: proven + 1, proven };
      proven = sizes.shift() ?? 0;
    }
    [before, at] = [hash, end + 1];
  }
  return { firstBad: sizes.length > 0 ? number + 1 : null, proven };
}

/** The hash of the line, when it is the entry of that number after the one with that hash. */
function soundHash(line: Uint8Array, number: number, before: string): string | undefined {
  const text = textOf(line);
  const parts = text === undefined ? null : HASH_MEMBER.exec(text);
  if (!parts || ENDS.exec(text ?? '')?.[1] !== String(number)) return undefined;
  const [, head = '', hash, tail = '', previous] = parts;
  const digest = createHash('sha256').update(head).update(tail).digest('hex');
  return digest === hash && previous === before ? hash : undefined;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Size and head (hex) of a checkpoint that one of the keys has signed. */
async function claimOf(note: string, verifierKeys: readonly string[]): Promise<[number, string]> {
  const [origin = '', size = '', root = '', empty, ...signatures] = note.split('\n');
  for (const line of signatures) {
    const [dash, name, encoded = ''] = line.split(' ');
    const known = verifierKeys.map((key) => key.split('+')).find(([of]) => of === origin);
    if (!known || dash !== '—' || name !== origin || empty !== '') continue;
    const signature = Buffer.from(encoded, 'base64');
    const key = Buffer.from(known.slice(2).join('+'), 'base64').subarray(1);
    const id = await webcrypto.subtle.digest('SHA-256', Buffer.concat([Buffer.from(`${origin}\n\u0001`), key]));
    if (Buffer.from(id).subarray(0, 4).toString('hex') !== known[1] || !signature.subarray(0, 4).equals(Buffer.from(id).subarray(0, 4)))
      continue;
    const imported = await webcrypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
    const text = Buffer.from(`${origin}\n${size}\n${root}\n`);
    if (await webcrypto.subtle.verify('Ed25519', imported, signature.subarray(4), text))
      return [Number(size), Buffer.from(root, 'base64').toString('hex')];
  }
  throw new Error('The note is not signed by a key that is trusted.');
}
