import { z } from 'zod';
import { scopeSchema } from '../auth/auth.schemas.js';
import { FREEZE_MODES, type FreezeTarget } from '../domain/policy.js';

/** A switch as its admin asks for it; the same for REST and the command line. */
export const freezeRequestSchema = z
  .strictObject({
    target: z.union(
      [
        z.strictObject({ all: z.literal(true) }).meta({ title: 'Everything' }),
        z.strictObject({ command: scopeSchema }).meta({ title: 'Commands by glob' }),
        z.strictObject({ key: z.string().min(1).max(64) }).meta({ title: 'One key' }),
      ],
      { error: 'expected one of {all: true}, {command: glob} and {key: id}' },
    ),
    mode: z.enum(FREEZE_MODES).default('drain').meta({ description: '`drain`: nothing new starts; `stop`: what runs is ended too' }),
    reason: z.string().min(1).max(300).meta({ description: 'Shown to those who are refused' }),
  })
  .meta({ id: 'FreezeRequest' });
export type FreezeRequest = z.output<typeof freezeRequestSchema>;

export function targetOf(target: FreezeRequest['target']): FreezeTarget {
  if ('all' in target) return { kind: 'all' };
  return 'command' in target ? { kind: 'command', glob: target.command } : { kind: 'key', keyId: target.key };
}
