import type { Freeze, FreezeMode } from '../domain/policy.js';

export interface FreezeRow {
  id: string;
  /** JSON. */
  target: string;
  mode: string;
  reason: string;
  created_at: string;
  created_by: string;
}

export function freezeRow({ id, target, mode, reason, createdAt, createdBy }: Freeze): FreezeRow {
  return { id, target: JSON.stringify(target), mode, reason: reason.toWellFormed(), created_at: createdAt, created_by: createdBy };
}

export function freezeOf({ id, target, mode, reason, created_at, created_by }: FreezeRow): Freeze {
  return {
    id,
    target: JSON.parse(target) as Freeze['target'],
    mode: mode as FreezeMode,
    reason,
    createdAt: created_at,
    createdBy: created_by,
  };
}
