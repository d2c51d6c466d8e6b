import { z } from 'zod';

const instant = z.string().meta({ description: 'ISO-8601, UTC' });

export const livenessSchema = z
  .object({
    status: z.literal('ok'),
    uptime_seconds: z.number(),
    version: z.string(),
    timestamp: instant,
    websocket_clients: z.int(),
    events_received: z.int(),
  })
  .meta({ id: 'Liveness' });

export const readinessSchema = z
  .union([
    z.object({ status: z.literal('ready') }),
    z.object({
      status: z.literal('unready'),
      failing: z.array(z.string()).meta({ description: 'Names of services, and `draining`' }),
      restartRequired: z.literal(true).optional().meta({ description: 'Waiting will not help' }),
    }),
  ])
  .meta({ id: 'Readiness' });

const measurementSchema = z.object({
  name: z.string(),
  of: z.string().optional().meta({ description: 'Of which one, where there are several' }),
  value: z.union([z.number(), z.string(), z.boolean()]),
  unit: z.string().optional(),
  warning: z.string().optional(),
});

const serviceSchema = z.object({
  status: z.enum(['ok', 'warning', 'failing']),
  reason: z.string().optional(),
  restartRequired: z.literal(true).optional(),
  critical: z.boolean().meta({ description: 'Whether `/ready` is 503 while it fails' }),
  checked_at: instant,
  duration_ms: z.number(),
  measured: z.array(measurementSchema),
});

const profileSchema = z.object({ contained: z.boolean(), reason: z.string().nullable() });
const keeper = z.enum(['cgroup', 'rlimit', 'none']);

const containmentSchema = z.object({
  mode: z.enum(['auto', 'require', 'off']),
  bubblewrap: z.string().nullable(),
  profiles: z.object({ pure: profileSchema, workspace: profileSchema, network: profileSchema }),
  limits: z.object({ processes: keeper, memory: keeper, others: keeper }),
  orphans: z.enum(['subreaper', 'process group']),
  mechanism: z.enum(['posix_spawn', 'child_process']),
  gaps: z.array(z.string()),
});

export const healthDetailsSchema = z
  .object({
    status: z.enum(['healthy', 'degraded', 'limited']),
    version: z.string(),
    environment: z.string(),
    uptime_seconds: z.number(),
    timestamp: instant,
    draining: z.boolean(),
    services: z.record(z.string(), serviceSchema),
    providers: z.record(z.string(), serviceSchema).meta({
      description: 'Outside services that commands use: whether each is configured, and reached. The gateway is ready without them',
    }),
    containment: containmentSchema,
    freezes: z.array(z.looseObject({})).meta({ description: 'As `GET /freezes` lists them' }),
    last_reload: z.object({ result: z.enum(['applied', 'unchanged', 'rejected', 'failed']), at: z.string(), mistakes: z.int() }).nullable(),
    error_tracking: z
      .object({
        enabled: z.boolean(),
        sent: z.int(),
        dropped: z.int(),
        failed: z.int(),
        last_error_at: instant.nullable(),
        last_failure_at: instant.nullable(),
      })
      .meta({ description: 'Reports to SENTRY_DSN since the start; `dropped` by its limits, `failed` on their way' }),
  })
  .meta({ id: 'HealthDetails' });

const statusSchema = z.enum(['pass', 'warn', 'fail']);

/** draft-inadarei-api-health-check-06 */
export const healthJsonSchema = z
  .object({
    status: statusSchema,
    version: z.string(),
    releaseId: z.string(),
    description: z.string(),
    output: z.string().optional(),
    checks: z
      .record(
        z.string(),
        z.array(
          z.object({
            componentId: z.string().optional(),
            componentType: z.string().optional(),
            observedValue: z.union([z.number(), z.string(), z.boolean()]).optional(),
            observedUnit: z.string().optional(),
            status: statusSchema.optional(),
            time: z.string().optional(),
            output: z.string().optional(),
          }),
        ),
      )
      .optional(),
  })
  .meta({ id: 'HealthJson' });
