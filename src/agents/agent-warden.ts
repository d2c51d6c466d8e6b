import type { AuthObserver } from '../auth/auth-observer.js';
import type { Authenticator } from '../auth/authenticator.js';
import type { HostedAgent } from './hosted-agent.js';

/** A key that ends is found out so soon: by whichever process it was ended, or by its time. */
const LOOK_EVERY_MS = 500;

/** Ends agents whose key has ended, or one above it: they would wait for instructions that nobody may give. Looks while there are any. */
export class AgentWarden {
  private looking: NodeJS.Timeout | undefined;

  constructor(
    private readonly authenticator: Authenticator,
    private readonly observer: AuthObserver,
  ) {}

  /** @param agents all that there are, ended ones too, asked for at each look */
  watch(agents: () => readonly HostedAgent[]): void {
    this.looking ??= setInterval(() => void this.look(agents().filter(({ isEnded }) => !isEnded)), LOOK_EVERY_MS).unref();
  }

  private async look(agents: readonly HostedAgent[]): Promise<void> {
    if (agents.length === 0) {
      clearInterval(this.looking);
      this.looking = undefined;
    }
    try {
      for (const agent of agents) if (!(await this.authenticator.isAlive(agent.holder))) agent.end({ kind: 'cancelled', by: 'key_ended' });
    } catch (error) {
      this.observer.watchFailed(error);
    }
  }
}
