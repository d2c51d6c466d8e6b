import type { Agent } from './agent.js';
import type { BreakerTransition } from './resilience.js';
import type { Rate } from './rate.js';
import type { Run } from './run.js';

/** Time, so that tests can move it. */
export abstract class Clock {
  /** Wall clock, ISO-8601 UTC with milliseconds: for people and records, never for measuring. */
  abstract now(): string;
  /** Monotonic milliseconds: for measuring. */
  abstract monotonic(): number;
}

/** A random secret of this DATA_DIR, the same after every restart: for digests against which nobody outside can try values. */
export abstract class SecretKey {
  /** 32 bytes. */
  abstract get bytes(): Buffer;
}

/** What is left of a budget after an attempt to spend from it. */
export interface Budget {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds, rounded up, until the window starts anew. */
  readonly resetSeconds: number;
}

/** Counts against windows. Atomic: with a limit of 50 and 1,000 callers exactly 50 are allowed in a window. */
export abstract class RateCounter {
  abstract spend(bucket: string, rate: Rate): Promise<Budget>;
  /** Looks without spending. */
  abstract peek(bucket: string, rate: Rate): Promise<Budget>;

  /** Connects to where several gateways count together, if they do. Never rejects for want of it: one counts alone then. */
  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  /** Why this process counts alone though it should not; undefined when all is as it should be. */
  get fault(): string | undefined {
    return undefined;
  }

  /**
   * Whether a run must be refused: it would be counted by this process alone, and the operator wants none to be. Not meant for admins.
   * @param _rate of its command
   */
  refusesRun(_rate: Rate | null): boolean {
    return false;
  }
}

/** What a probe looks at: a part of the gateway, where its data lies, its host, or an outside service that commands use. */
export type ProbeKind = 'component' | 'datastore' | 'system' | 'provider';

/** Something that a probe saw. */
export interface Measurement {
  /** What was measured: `utilization`, `length`, `state`, … */
  readonly name: string;
  /** Of which one, where there are several. */
  readonly of?: string;
  readonly value: number | string | boolean;
  /** `ms`, `bytes`, `percent`, … */
  readonly unit?: string;
  /** Why an operator should know, in words: the gateway works, but is degraded. */
  readonly warning?: string;
}

/** What a room says about its own health. A room that has something to say adds a class, and its token to what the module of health asks. */
export abstract class Probe {
  /** What `/ready` lists. */
  abstract readonly name: string;
  readonly kind: ProbeKind = 'component';
  /** Whether the gateway is not ready while this fails. What is not critical makes it degraded at most, and `/ready` does not ask for it. */
  readonly critical: boolean = true;
  /** A check that takes longer has failed. */
  readonly deadlineMs: number = 1_000;

  /**
   * Resolves when well, to what was measured on the way; rejects with the reason when not. What callers may read of the reason is the message of
   * a {@link GatewayError}. Never called again while an earlier call is under way.
   * @param signal aborted at the deadline
   */
  abstract check(signal: AbortSignal): Promise<readonly Measurement[] | void>;
}

/** How the last reload of settings and catalogue ended: `rejected` for its mistakes, `failed` where it could not be recorded. */
export interface ReloadOutcome {
  readonly result: 'applied' | 'unchanged' | 'rejected' | 'failed';
  readonly at: string;
  readonly mistakes: number;
}

/** Whether what the files say is what is in force. */
export abstract class ReloadHealth {
  /** Null before the first reload. */
  abstract get lastReload(): ReloadOutcome | null;
}

/** What the gateway tells the world, by name. */
export interface GatewayEvents {
  'run.finished': { readonly run: Run };
  'breaker.changed': BreakerTransition;
  'agent.started': { readonly agent: Agent };
  /** For good: its program is gone, and nothing will start it anew. */
  'agent.ended': { readonly agent: Agent };
  /** Another catalogue is in force; commands by name. */
  'catalogue.replaced': {
    readonly digest: string;
    readonly added: readonly string[];
    readonly changed: readonly string[];
    readonly removed: readonly string[];
  };
  /** Settings took another value, all of them before the first listener hears of it. */
  'settings.changed': { readonly names: readonly string[] };
}

/** Fails open: a listener that throws never fails the announcer. */
export abstract class EventBus {
  /** What came and comes in from outside since the start; the doors for events raise these. */
  readonly traffic = { webSocketClients: 0, eventsReceived: 0 };

  abstract publish<Name extends keyof GatewayEvents>(name: Name, event: GatewayEvents[Name]): void;
  /** Returns the function that ends the subscription. */
  abstract subscribe<Name extends keyof GatewayEvents>(name: Name, listener: (event: GatewayEvents[Name]) => void): () => void;
}
