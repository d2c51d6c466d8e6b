import { z } from 'zod';
import { BREAKER_STATES } from '../domain/resilience.js';

const count = z.int();
const milliseconds = z.number().nullable().meta({ description: 'Null where nothing was measured' });
const latency = z.object({ averageMs: milliseconds, p50Ms: milliseconds, p95Ms: milliseconds, p99Ms: milliseconds });

const traffic = {
  seconds: z.number().meta({ description: 'What it covers in truth: less than asked for while the gateway is young' }),
  requests: count,
  perSecond: z.number(),
  failures: count.meta({ description: 'Answers of 500 and above' }),
  failuresPerSecond: z.number(),
  failureRatio: z.number(),
  refusals: count.meta({ description: 'Answers of 400 to 499' }),
  latency: latency.meta({ description: 'Of all requests but those of probes and scrapes' }),
  ownLatency: latency.meta({ description: 'Without the routes that wait for commands' }),
  runs: count,
  limitsHit: count,
  blocked: count,
};

const byOutcome = z.object({
  succeeded: count,
  failed: count,
  timed_out: count,
  cancelled: count,
  rejected: count,
  lost: count,
});

export const dashboardSchema = z
  .object({
    timestamp: z.string(),
    version: z.string(),
    uptimeSeconds: z.number(),
    scope: z.enum(['gateway', 'own']).meta({ description: 'Whose runs are counted: everybody’s for an admin, else those of this key' }),
    traffic: z
      .array(z.object({ minutes: count, ...traffic }))
      .meta({ description: 'Of the last 1, 5 and 15 minutes, of the whole gateway' }),
    requestsInFlight: count,
    runs: z.object({
      active: count,
      queued: count,
      slots: count,
      queuePlaces: count,
      today: z.object({ date: z.string().meta({ description: 'In UTC' }), accepted: count, open: count, byOutcome }),
      topCommands: z.array(z.object({ command: z.string(), runs: count, unsuccessful: count, open: count })),
    }),
    breakers: z.array(z.object({ name: z.string(), state: z.enum(BREAKER_STATES) })),
    limits: z
      .object({ key: count, address: count, command: count, budget: count, busy: count })
      .meta({ description: 'Refusals since the start, by the limit that was hit' }),
    blocked: z.object({ total: count, byRule: z.record(z.string(), count) }),
    events: z.object({ received: count, webSocketClients: count }),
    captures: count,
    templates: count,
    lastHour: z
      .array(z.object({ at: z.string(), ...traffic }))
      .meta({ description: 'Minute by minute, oldest first; `at` is the end of a minute' }),
  })
  .meta({ id: 'Dashboard' });

export type Dashboard = z.output<typeof dashboardSchema>;
