import { GatewayError } from '../../domain/errors.js';

/** The refusal for everything that keeps us from reading or writing. The cause is for the log only. */
export function storageUnavailable(detail: string, cause?: unknown, more: GatewayError['extra'] = {}): GatewayError {
  return new GatewayError('storage_unavailable', detail, { retryAfterSeconds: 1, ...(cause === undefined ? {} : { cause }), ...more });
}

/**
 * SQLite's extended result code (`SQLITE_CONSTRAINT_PRIMARYKEY`); undefined for any other error. Asks no `instanceof`: the
 * native module makes its errors in whichever context loaded it first.
 */
export function sqliteCode(error: unknown): string | undefined {
  const code = error !== null && typeof error === 'object' && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined;
}

/** Room for the shared-memory index or the heap ran out: nothing reached the disk, and the next attempt may succeed. */
const PASSING_IO_ERRORS: ReadonlySet<string> = new Set(['SQLITE_IOERR_SHMSIZE', 'SQLITE_IOERR_SHMMAP', 'SQLITE_IOERR_NOMEM']);

/**
 * Whether nothing may be written any more after this error. When fsync or a write has failed, the kernel may have dropped the
 * page and say yes the next time: what is on the disk is unknown until the file is opened and recovered anew.
 */
export function isFailStop(error: unknown): boolean {
  const code = sqliteCode(error) ?? '';
  if (PASSING_IO_ERRORS.has(code)) return false;
  return ['SQLITE_IOERR', 'SQLITE_CORRUPT', 'SQLITE_NOTADB'].some((family) => code.startsWith(family));
}
