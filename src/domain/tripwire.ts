/** Rules of the tripwire, by id: what metrics count, audit entries say and catalogues exempt from. */
export const TRIPWIRE_RULES = [
  'recursive-deletion',
  'privilege-escalation',
  'pipe-to-shell',
  'fork-bomb',
  'disk-wipe',
  'permission-wipe',
  'reverse-shell',
  'history-wipe',
  'system-halt',
  'security-off',
  'persistence',
  'credential-read',
  'sql-wipe',
] as const;
export type TripwireRule = (typeof TRIPWIRE_RULES)[number];
