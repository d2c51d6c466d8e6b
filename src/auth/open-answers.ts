import type { ServerResponse } from 'node:http';
import { PassingSet } from '../domain/passing-set.js';
import type { Principal } from '../domain/principal.js';
import type { AuthObserver } from './auth-observer.js';
import type { Authenticator } from './authenticator.js';

/** A key that ends is found out so soon: by whichever process it was ended, or by its time. */
const LOOK_EVERY_MS = 500;

interface OpenAnswer {
  readonly answer: ServerResponse;
  readonly principal: Principal;
}

/**
 * The answers that are being given, and to whom. Where what let the caller in holds no longer (its key was revoked or has expired, its
 * rights or a key above it have changed, its secret was rotated away), the connection is cut, as if the client had left: a run that was
 * waited for is cancelled, one that was only looked at goes on.
 */
export class OpenAnswers {
  private readonly open = new PassingSet<OpenAnswer>();
  private looking: NodeJS.Timeout | undefined;

  constructor(
    private readonly authenticator: Authenticator,
    private readonly observer: AuthObserver,
  ) {}

  /** Watches over the answer until it is over. */
  watch(answer: ServerResponse, principal: Principal): void {
    if (answer.destroyed) return;
    answer.once('close', this.open.add({ answer, principal }));
    this.looking ??= setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  private async look(): Promise<void> {
    if (this.open.size === 0) {
      clearInterval(this.looking);
      this.looking = undefined;
    }
    // Those that are open now: others come while the store is asked.
    for (const { answer, principal } of [...this.open]) {
      if (answer.writableEnded) continue;
      try {
        if (!(await this.authenticator.stillHolds(principal))) answer.destroy();
      } catch (error) {
        this.observer.watchFailed(error);
        return;
      }
    }
  }
}
