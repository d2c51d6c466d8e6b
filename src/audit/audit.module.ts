import { Module, type DynamicModule } from '@nestjs/common';
import { AuditStore } from '../domain/audit.js';
import { AuditLog } from '../domain/audit-log.js';
import { WriteHealth } from '../domain/db.js';
import { Clock } from '../domain/ports.js';
import { ChainedAuditLog, type Sanitise } from './audit-log.js';
import { AuditController } from './audit.controller.js';
import { AuditProbe } from './audit.probe.js';

/** The audit log over the store that the application provides (`AuditStore`, `WriteHealth`, `Clock`). */
@Module({})
export class AuditModule {
  /** @param sanitise what takes secrets out of the details of each entry */
  static with(sanitise: Sanitise): DynamicModule {
    return {
      module: AuditModule,
      controllers: [AuditController],
      providers: [
        { provide: AuditLog, useFactory: (clock: Clock) => new ChainedAuditLog(clock, sanitise), inject: [Clock] },
        {
          provide: AuditProbe,
          useFactory: (writes: WriteHealth, store: AuditStore) => new AuditProbe(writes, store),
          inject: [WriteHealth, AuditStore],
        },
      ],
      exports: [AuditLog, AuditProbe],
    };
  }
}
