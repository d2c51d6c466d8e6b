import { type DynamicModule, Module } from '@nestjs/common';
import { AuditLog } from '../domain/audit-log.js';
import { Db } from '../domain/db.js';
import { Clock, RateCounter } from '../domain/ports.js';
import { KeyStore } from '../domain/stores.js';
import { AccessGate } from './access-gate.js';
import { AuthController } from './auth.controller.js';
import { AuthObserver } from './auth-observer.js';
import { Authenticator } from './authenticator.js';
import { KeyBudgets } from './key-budgets.js';
import { KeyService } from './key.service.js';
import { OpenAnswers } from './open-answers.js';
import { type RateLimitRules, RateLimits } from './rate-limits.js';
import { TokenBudgets } from './token-budgets.js';

/** Keys, roles and rate limits. Expects the ports of the domain and {@link AuthObserver} from a global module. */
@Module({})
export class AuthModule {
  static withRules(rules: RateLimitRules): DynamicModule {
    const services = [
      {
        provide: KeyService,
        inject: [KeyStore, Db, AuditLog, Clock],
        useFactory: (...ports: [KeyStore, Db, AuditLog, Clock]) => new KeyService(...ports),
      },
      {
        provide: Authenticator,
        inject: [KeyStore, Db, Clock, AuthObserver],
        useFactory: (...ports: [KeyStore, Db, Clock, AuthObserver]) => new Authenticator(...ports),
      },
      {
        provide: RateLimits,
        inject: [RateCounter, AuthObserver],
        useFactory: (counter: RateCounter, observer: AuthObserver) => new RateLimits(counter, rules, observer),
      },
      {
        provide: KeyBudgets,
        inject: [KeyStore, Clock],
        useFactory: (...ports: [KeyStore, Clock]) => new KeyBudgets(...ports),
      },
      {
        provide: TokenBudgets,
        inject: [KeyStore, Clock],
        useFactory: (...ports: [KeyStore, Clock]) => new TokenBudgets(...ports),
      },
      {
        provide: AccessGate,
        inject: [Authenticator, RateLimits],
        useFactory: (...rooms: [Authenticator, RateLimits]) => new AccessGate(...rooms),
      },
      {
        provide: OpenAnswers,
        inject: [Authenticator, AuthObserver],
        useFactory: (...rooms: [Authenticator, AuthObserver]) => new OpenAnswers(...rooms),
      },
    ];
    return { module: AuthModule, controllers: [AuthController], providers: services, exports: services.map(({ provide }) => provide) };
  }
}
