import { decoded, type NoteKey, openNote, type NoteSigner } from './signed-note.js';

/** What a checkpoint says of the log. */
export interface Checkpoint {
  /** Entries that it speaks of: 1 to `size`. */
  readonly size: number;
  /** Hash (hex) of entry number `size`: by the chain it covers all entries before it as well. */
  readonly head: string;
}

/** The checkpoint as a signed note (C2SP tlog-checkpoint): origin, size, base64 of the head hash, each on a line. */
export function signCheckpoint(signer: NoteSigner, { size, head }: Checkpoint): string {
  return signer.sign(`${signer.publicKey.name}\n${size}\n${Buffer.from(head, 'hex').toString('base64')}\n`);
}

/** Undefined when it is no checkpoint, or none that one of these keys has signed for its own log. */
export function openCheckpoint(note: string, keys: readonly NoteKey[]): Checkpoint | undefined {
  const [, origin, digits = '', base64 = ''] = CHECKPOINT.exec(openNote(note, keys) ?? '') ?? [];
  const head = decoded(base64);
  const size = Number(digits);
  if (!keys.some(({ name }) => name === origin) || head?.length !== 32 || !Number.isSafeInteger(size)) return undefined;
  return { size, head: head.toString('hex') };
}

/** Lines after the third are extensions, which say nothing to us. */
const CHECKPOINT = /^(\S+)\n(0|[1-9]\d*)\n([A-Za-z0-9+/=]+)\n(?:[^\n]+\n)*$/;

/** The notes of a file that holds one after the other, as the anchor file does. What follows the last whole note is one more. */
export function splitNotes(text: string): string[] {
  const notes: string[] = [];
  const note: string[] = [];
  for (const line of text.split('\n')) {
    const isNext = note.at(-1)?.startsWith('— ') === true && !line.startsWith('— ');
    if (isNext) notes.push(`${note.splice(0).join('\n')}\n`);
    if (note.length > 0 || line !== '') note.push(line);
  }
  return note.length > 0 ? [...notes, note.join('\n')] : notes;
}
