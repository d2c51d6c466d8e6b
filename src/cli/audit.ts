import { verifyChain } from '../audit/audit-verifier.js';
import { AuditStore, type AuditVerdict } from '../domain/audit.js';
import { print } from './cli-failure.js';
import type { RemoteOptions } from './options.js';
import { callServer } from './remote.js';

/** Checks the chain of the audit log; exit code 1 when it does not hold. */
export async function verifyAudit(options: RemoteOptions): Promise<number> {
  const verdict = options.url ? await callServer<AuditVerdict>(options.url, '/audit/verify') : await verifyHere();
  print(verdict, options, () =>
    verdict.ok
      ? `The chain holds: ${verdict.entries} entries, head ${verdict.head}.`
      : `The chain is broken at entry ${verdict.firstBad}: ${verdict.reason}. ${verdict.entries} entries before it are sound.`,
  );
  return verdict.ok ? 0 : 1;
}

async function verifyHere(): Promise<AuditVerdict> {
  const { withLocalRooms } = await import('./local.js');
  return withLocalRooms(async ({ context, gateway }) => {
    await gateway.openStore();
    return verifyChain(context.get(AuditStore).entries());
  });
}
