import { Module } from '@nestjs/common';
import { AuditLog } from '../domain/audit-log.js';
import { Db } from '../domain/db.js';
import { Clock } from '../domain/ports.js';
import { MasterKeyPlace, SecretStore } from '../domain/secret.js';
import { KeyRing } from './key-ring.js';
import { KeyRotation } from './key-rotation.js';
import { SecretService } from './secret.service.js';
import { SecretsController } from './secrets.controller.js';

type Ports = [SecretStore, KeyRing, Db, AuditLog, Clock];
const PORTS = [SecretStore, KeyRing, Db, AuditLog, Clock];

/** Secrets for commands. Expects the ports of the domain from a global module. */
@Module({
  controllers: [SecretsController],
  providers: [
    { provide: KeyRing, inject: [MasterKeyPlace], useFactory: (place: MasterKeyPlace) => new KeyRing(place) },
    { provide: SecretService, inject: PORTS, useFactory: (...ports: Ports) => new SecretService(roomsOf(...ports)) },
    {
      provide: KeyRotation,
      inject: [MasterKeyPlace, ...PORTS],
      useFactory: (place: MasterKeyPlace, ...ports: Ports) => new KeyRotation(roomsOf(...ports), place),
    },
  ],
  exports: [SecretService, KeyRotation],
})
export class SecretsModule {}

function roomsOf(...[store, ring, db, audit, clock]: Ports) {
  return { store, ring, db, audit, clock };
}
