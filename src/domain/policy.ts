import type { CommandName } from './command.js';
import type { PrincipalId } from './principal.js';

/** What a freeze holds back. */
export type FreezeTarget =
  | { readonly kind: 'all' }
  /** `glob` as scopes are written. */
  | { readonly kind: 'command'; readonly glob: string }
  | { readonly kind: 'key'; readonly keyId: PrincipalId };

/** `drain`: nothing new starts. `stop`: what runs is ended too. */
export const FREEZE_MODES = ['drain', 'stop'] as const;
export type FreezeMode = (typeof FREEZE_MODES)[number];

/** `frz_` and a UUIDv7 without dashes. */
export type FreezeId = string;

/** A switch that an admin has thrown. There is one for each target at most; it stays over restarts until it is lifted. */
export interface Freeze {
  readonly id: FreezeId;
  readonly target: FreezeTarget;
  readonly mode: FreezeMode;
  /** Why, for those who are refused. */
  readonly reason: string;
  readonly createdAt: string;
  readonly createdBy: PrincipalId;
}

/** The rules that decide about a run, in the order in which they are asked. */
export const POLICY_RULES = ['key', 'scope', 'role', 'tripwire', 'freeze', 'rate', 'concurrency', 'approval'] as const;
export type PolicyRule = (typeof POLICY_RULES)[number];

/** What one rule says. `waits`: the run is taken, and starts when somebody or something else lets it. */
export interface Verdict {
  readonly rule: PolicyRule;
  readonly says: 'allows' | 'waits' | 'denies';
  readonly detail: string;
}

/** What was decided about a command and a key. */
export interface Explanation {
  readonly command: CommandName;
  readonly keyId: PrincipalId;
  readonly allowed: boolean;
  /** The first rule that denies; null when none does. */
  readonly deniedBy: PolicyRule | null;
  readonly rules: readonly Verdict[];
}
