import { ChainedAuditLog } from '../../src/audit/audit-log.js';
import { LOCAL_PRINCIPAL } from '../../src/auth/local-principal.js';
import { SystemClock } from '../../src/config/system-clock.js';
import type { Db } from '../../src/domain/db.js';
import type { MasterKeyPlace } from '../../src/domain/secret.js';
import { KeyRing } from '../../src/secrets/key-ring.js';
import { KeyRotation } from '../../src/secrets/key-rotation.js';
import { SecretService, type Manager, type SecretRooms } from '../../src/secrets/secret.service.js';
import type { SqliteDb } from '../../src/storage/sqlite/sqlite-db.js';
import { SqliteSecretStore } from '../../src/storage/sqlite/sqlite-secret-store.js';

export const MANAGER: Manager = { principal: LOCAL_PRINCIPAL, requestId: 'test' };

/** The room of secrets on a real store, as a process of its own would have it. `writes`: what it writes through instead of the store. */
export function secretRooms(
  db: SqliteDb,
  place: MasterKeyPlace,
  writes: Db = db,
): SecretRooms & { service: SecretService; rotation: KeyRotation } {
  const clock = new SystemClock();
  const rooms: SecretRooms = {
    store: new SqliteSecretStore(db.reader),
    ring: new KeyRing(place),
    db: writes,
    audit: new ChainedAuditLog(clock, (details) => details),
    clock,
  };
  return { ...rooms, service: new SecretService(rooms), rotation: new KeyRotation(rooms, place) };
}
