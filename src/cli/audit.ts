import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { exported, readExport } from '../audit/audit-export.js';
import { AuditReview, type CheckpointView } from '../audit/audit-review.js';
import { verifyLog } from '../audit/audit-verifier.js';
import { type Checkpoint, openCheckpoint, splitNotes } from '../audit/checkpoint-text.js';
import { type NoteKey, parseNoteKey } from '../audit/signed-note.js';
import { AuditStore, type AuditVerdict } from '../domain/audit.js';
import { CliFailure, EXIT_REFUSED, print } from './cli-failure.js';
import type { ExportAuditOptions, RemoteOptions, VerifyAuditOptions } from './options.js';
import { callServer, streamFromServer } from './remote.js';
import { withStore } from './with-store.js';

/** The log is sound, and nothing from outside of it tells whether it ends where it ended. */
const EXIT_TAIL_NOT_PROVABLE = 3;

/** Checks the log. Exit codes: 0 sound, and a checkpoint from outside vouches for it; 1 broken; 3 sound, as far as it tells itself. */
export async function verifyAudit(options: VerifyAuditOptions): Promise<number> {
  const verdict = await verdictOn(options);
  print(verdict, options, () => (verdict.ok ? describeSound(verdict) : describeBroken(verdict)));
  if (!verdict.ok) return 1;
  return verdict.proven > 0 ? 0 : EXIT_TAIL_NOT_PROVABLE;
}

/** Prints the log, as fast as it is taken. */
export async function exportAudit({ url, format }: ExportAuditOptions): Promise<void> {
  if (url) return printPieces(await streamFromServer(url, `/audit/export?format=${format}`));
  return withStore(({ context }) => printPieces(exported(context.get(AuditStore).entries(), format)));
}

/** Prints the newest checkpoint: the note alone, ready to be kept in a file, or with `--json` all there is to it. */
export async function showCheckpoint(options: RemoteOptions): Promise<void> {
  const checkpoint = options.url
    ? await callServer<CheckpointView>(options.url, '/audit/checkpoint')
    : await withStore(({ context }) => context.get(AuditReview).checkpoint());
  if (!checkpoint) throw new CliFailure('No checkpoint has been signed yet: a server signs them.');
  print(checkpoint, options, () => checkpoint.note);
}

async function verdictOn(options: VerifyAuditOptions): Promise<AuditVerdict> {
  const { url, file, checkpoint } = options;
  if (url) {
    if (file ?? checkpoint) throw new CliFailure('--url goes without --file and --checkpoint: a server checks its own log.', EXIT_REFUSED);
    return callServer<AuditVerdict>(url, '/audit/verify');
  }
  const keys = keysOf(options);
  if (file === undefined) {
    return withStore(async ({ context }) => {
      const review = context.get(AuditReview);
      return review.verify(await checkpointsIn(checkpoint, [review.publicKey, ...keys]), keys);
    });
  }
  const external = await checkpointsIn(checkpoint, keys);
  return verifyLog(readExport(await opened(file)), { external });
}

function keysOf({ publicKey = [] }: VerifyAuditOptions): NoteKey[] {
  return publicKey.map((text) => {
    const key = parseNoteKey(text);
    if (!key) throw new CliFailure('--public-key expects a key as `sallyport audit checkpoint --json` shows it.', EXIT_REFUSED);
    return key;
  });
}

/** One that is not signed by a key that is trusted proves nothing, so nothing is said about the log. */
async function checkpointsIn(file: string | undefined, keys: readonly NoteKey[]): Promise<Checkpoint[]> {
  if (file === undefined) return [];
  if (keys.length === 0) throw new CliFailure('--checkpoint takes the --public-key that it is signed with.', EXIT_REFUSED);
  const notes = splitNotes(await readFile(file, 'utf8').catch(() => unreadable(file)));
  const checkpoints = notes.flatMap((note) => openCheckpoint(note, keys) ?? []);
  if (notes.length > 0 && checkpoints.length === notes.length) return checkpoints;
  throw new CliFailure(`${file} holds a checkpoint that is not signed by a key that is trusted here, or none at all.`, EXIT_REFUSED);
}

async function opened(file: string): Promise<AsyncIterable<Buffer>> {
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  await new Promise((resolve, reject) => stream.once('open', resolve).once('error', reject)).catch(() => unreadable(file));
  return stream;
}

function unreadable(file: string): never {
  throw new CliFailure(`${file} cannot be read.`, EXIT_REFUSED);
}

function describeSound({ entries, head, proven, checkpoints }: Extract<AuditVerdict, { ok: true }>): string {
  const sound = `The chain holds: ${entries} entries, head ${head}, ${checkpoints} checkpoints.`;
  if (proven === entries && proven > 0) return `${sound} A checkpoint from outside vouches for all of it.`;
  const from = proven === 0 ? 'No checkpoint from outside was given' : `Entries 1 to ${proven} are proven by a checkpoint from outside`;
  return `${sound}\nTail not provable: ${from}; whether entries are missing after entry ${entries} cannot be known.`;
}

function describeBroken({ entries, firstBad, reason }: Extract<AuditVerdict, { ok: false }>): string {
  return `The log is broken at entry ${firstBad}: ${reason} ${entries} entries before it are sound.`;
}

async function printPieces(pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  await pipeline(Readable.from(pieces, { objectMode: false }), process.stdout, { end: false });
}
