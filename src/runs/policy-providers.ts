import type { Provider } from '@nestjs/common';
import { SETTINGS_TOKEN } from '../config/settings.js';
import type { Settings } from '../config/settings.schema.js';
import { AuditLog } from '../domain/audit-log.js';
import { Db } from '../domain/db.js';
import { Clock, RateCounter, SecretKey } from '../domain/ports.js';
import { FreezeStore, KeyStore } from '../domain/stores.js';
import { Metrics } from '../metrics/metrics.js';
import { Redaction } from '../redaction/redaction.js';
import { Catalogue } from '../commands/catalogue.js';
import { Admission } from './admission.js';
import { ApprovalDesk } from './approval-desk.js';
import { ApprovalService } from './approval.service.js';
import { Explainer } from './explain.js';
import { FreezeBook } from './freeze-book.js';
import { Independence } from './independence.js';
import { PlanBook } from './plan-book.js';
import { PlanService } from './plan.service.js';
import { PolicyCheck } from './policy-check.js';
import { Sealer } from './seal.js';

/** Plans, approvals, freezes and explanations. */
export const POLICY_PROVIDERS: Provider[] = [
  { provide: PlanBook, inject: [SETTINGS_TOKEN], useFactory: ({ PLAN_EXPIRY }: Settings) => new PlanBook(PLAN_EXPIRY) },
  { provide: Sealer, inject: [SecretKey], useFactory: (secretKey: SecretKey) => new Sealer(secretKey) },
  {
    provide: FreezeBook,
    inject: [FreezeStore, Db, AuditLog, Clock],
    useFactory: (store: FreezeStore, db: Db, audit: AuditLog, clock: Clock) => new FreezeBook({ store, db, audit, clock }),
  },
  {
    provide: PolicyCheck,
    inject: [FreezeBook, RateCounter, Admission],
    useFactory: (freezes: FreezeBook, rates: RateCounter, admission: Admission) => new PolicyCheck({ freezes, rates, admission }),
  },
  {
    provide: PlanService,
    inject: [Catalogue, PlanBook, Sealer, PolicyCheck, Redaction, SETTINGS_TOKEN],
    useFactory: (
      ...[catalogue, plans, sealer, policy, redaction, settings]: [Catalogue, PlanBook, Sealer, PolicyCheck, Redaction, Settings]
    ) => new PlanService({ catalogue, plans, sealer, policy, redaction, expiryMs: settings.PLAN_EXPIRY }),
  },
  {
    provide: ApprovalDesk,
    inject: [AuditLog, Db, KeyStore, Metrics, SETTINGS_TOKEN],
    useFactory: (...[audit, db, keys, metrics, settings]: [AuditLog, Db, KeyStore, Metrics, Settings]) =>
      new ApprovalDesk({ audit, db, independence: new Independence(keys), metrics, expiryMs: settings.APPROVAL_EXPIRY }),
  },
  {
    provide: ApprovalService,
    inject: [ApprovalDesk, Catalogue, Sealer, FreezeBook, KeyStore, Clock],
    useFactory: (...[desk, catalogue, sealer, freezes, keys, clock]: [ApprovalDesk, Catalogue, Sealer, FreezeBook, KeyStore, Clock]) =>
      new ApprovalService({ desk, catalogue, sealer, freezes, keys, clock }),
  },
  {
    provide: Explainer,
    inject: [Catalogue, KeyStore, PolicyCheck, Clock],
    useFactory: (catalogue: Catalogue, keys: KeyStore, policy: PolicyCheck, clock: Clock) =>
      new Explainer({ catalogue, keys, policy, clock }),
  },
];
