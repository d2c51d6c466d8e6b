import type { Admission } from './admission.js';
import { rejectWalk } from './run-execution.js';
import type { RunWalk } from './run-walk.js';

/** Claims the slot that the walk needs, by its agent where it has one. @throws GatewayError `busy` */
export function claimSlot(walk: RunWalk, admission: Admission): void {
  const { command, live, origin, request } = walk;
  const wish = { command: command.name, concurrent: command.limits.concurrent, principal: origin.principal };
  const claim = () => admission.claim(wish, live.signal);
  walk.ticket = request.via ? request.via.claim(claim) : claim();
}

/** The same for a run that was recorded without one: where there is none, that is its outcome. */
export function claimLate(walk: RunWalk, admission: Admission): void {
  try {
    claimSlot(walk, admission);
  } catch (error) {
    rejectWalk(walk, error);
  }
}
