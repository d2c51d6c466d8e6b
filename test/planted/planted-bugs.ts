import { ACCESS } from './access.js';
import { CONTAINMENT } from './containment.js';
import { DURABILITY } from './durability.js';
import { EDGES } from './edges.js';
import { OPERATION } from './operation.js';
import type { PlantedBug } from './planted-bug.js';
import { POLICY } from './policy.js';
import { REDACTION } from './redaction.js';

/** Every mistake that `npm run test:planted` makes. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...CONTAINMENT,
  ...DURABILITY,
  ...ACCESS,
  ...POLICY,
  ...REDACTION,
  ...EDGES,
  ...OPERATION,
];
