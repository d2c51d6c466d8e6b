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
}

/** What a room says about its own health. `name` is what `/ready` lists. */
export abstract class Probe {
  abstract readonly name: string;

  /** Resolves when well; rejects with the reason when not. Must not wait on anything unbounded. */
  abstract check(): Promise<void>;
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
