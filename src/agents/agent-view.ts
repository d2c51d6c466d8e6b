import { z } from 'zod';
import { type Agent, AGENT_STATES } from '../domain/agent.js';
import { outcomeSchema } from '../runs/run-envelope.js';

const fields = z.object({
  id: z.string().meta({ examples: ['agt_0199a1b2c3d47e5f8a9b0c1d2e3f4a5b'] }),
  command: z.string(),
  keyId: z.string().meta({ description: 'Key that started it' }),
  args: z.record(z.string(), z.unknown()).readonly(),
  state: z.enum(AGENT_STATES).meta({ description: '`stopped`: the next instruction starts its program anew' }),
  runId: z.string().meta({ description: 'The run that its program is, or was' }),
  outcome: outcomeSchema.nullable().meta({ description: 'How its program ended; null while it goes on' }),
  startedAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime(),
  instructions: z.int().meta({ description: 'Instructions taken so far' }),
  restarts: z.int().meta({ description: 'How often its program was started anew' }),
  malformedLines: z.int().meta({ description: 'Lines that were to be JSON of the framing and were not' }),
});

/** An agent as people may see it. */
export const agentSchema = fields.meta({ id: 'Agent' });
export type AgentView = Readonly<z.output<typeof fields>>;

export const agentListSchema = z.object({ items: z.array(agentSchema), nextCursor: z.null() }).meta({ id: 'AgentList' });

export function presentAgent({ principalId, ...agent }: Agent): AgentView {
  return { ...agent, keyId: principalId };
}
