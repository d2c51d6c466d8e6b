import { codeOf } from '../../domain/errors.js';
import type { Span } from '../../domain/tracing.js';
import type { CommitQueue } from './commit-queue.js';
import type { RowWrite } from './row-write.js';

/** A commit as part of something followed: from the queue to the disk. OpenTelemetry's conventions for databases. */
export async function followCommit(parent: Span, rows: readonly RowWrite[], queue: CommitQueue): Promise<void> {
  const span = parent.child('COMMIT', 'client');
  let group: number | undefined;
  try {
    group = await queue.add(rows);
  } catch (error) {
    span.fail(codeOf(error));
    throw error;
  } finally {
    span.set({
      'db.system.name': 'sqlite',
      'db.operation.name': 'COMMIT',
      'db.operation.batch.size': rows.length,
      'sallyport.storage.group': group,
    });
    span.end();
  }
}
