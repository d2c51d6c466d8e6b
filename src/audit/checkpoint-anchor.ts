import { open, readFile } from 'node:fs/promises';
import type { Settings } from '../config/settings.schema.js';
import { GatewayError } from '../domain/errors.js';
import { clientFor } from '../outgoing/service-client.js';
import { type Checkpoint, openCheckpoint, splitNotes } from './checkpoint-text.js';
import type { NoteKey } from './signed-note.js';

/** How long a webhook may take to answer. What it answers does not matter, beside the status. */
const WEBHOOK_LIMITS = { connectMs: 5_000, headersMs: 5_000, idleMs: 5_000, totalMs: 5_000, responseBytes: 0, redirects: 0 };

/** A place outside of the store that keeps checkpoints: what is there, whoever changes the store cannot take back. */
export interface CheckpointAnchor {
  /** For metric and log. */
  readonly name: 'file' | 'webhook';
  /** Rejects when it was not kept. */
  keep(note: string): Promise<void>;
}

export function anchorsOf({ AUDIT_ANCHOR_FILE, AUDIT_ANCHOR_URL, OUTGOING_PRIVATE_RANGES }: Settings): CheckpointAnchor[] {
  const webhook = (url: string) => ({ name: 'webhook', keep: poster(url, OUTGOING_PRIVATE_RANGES ?? []) }) as const;
  return [
    ...(AUDIT_ANCHOR_FILE === undefined ? [] : [{ name: 'file', keep: (note: string) => append(AUDIT_ANCHOR_FILE, note) } as const]),
    ...(AUDIT_ANCHOR_URL === undefined ? [] : [webhook(AUDIT_ANCHOR_URL)]),
  ];
}

/** Those in the file that these keys have signed: it may hold those of other logs as well. None when there is no such file yet. */
export async function anchoredCheckpoints(file: string, keys: readonly NoteKey[]): Promise<Checkpoint[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new GatewayError('storage_unavailable', 'The file of AUDIT_ANCHOR_FILE cannot be read.', { cause: error });
  });
  return splitNotes(text).flatMap((note) => openCheckpoint(note, keys) ?? []);
}

/** Opened for each note, and only to append: the file may be rotated, or marked append-only. An empty line parts it from the next. */
async function append(file: string, note: string): Promise<void> {
  const handle = await open(file, 'a', 0o600);
  try {
    await handle.appendFile(`${note}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

function poster(url: string, privateRanges: readonly string[]): CheckpointAnchor['keep'] {
  const client = clientFor(url, privateRanges, WEBHOOK_LIMITS);
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  return async (note) => {
    const answer = await client.call({ method: 'POST', url, headers, body: note });
    await answer.discard();
    if (answer.status < 200 || answer.status > 299) throw new Error(`The webhook answered ${answer.status}.`);
  };
}
