import type { TraceOrigin } from '../domain/tracing.js';

/** By the names of OpenTelemetry's specification. `parentbased_…`: a trace that comes from a caller is sampled as the caller says. */
export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof SAMPLERS)[number];

/** Whether a trace is sampled. The same trace gets the same answer. */
export type Sampler = (origin: TraceOrigin) => boolean;

/** The last 56 bits of a trace id are random (W3C Trace Context level 2). */
const RANDOM_DIGITS = 14;
const RANDOM_VALUES = 2 ** 56;

/** @param ratio of the traces that begin with us, 0 to 1 */
export function samplerOf(name: SamplerName, ratio: number): Sampler {
  const own = ownSampler(name, ratio);
  return name.startsWith('parentbased_') ? (origin) => origin.caller?.sampled ?? own(origin) : own;
}

function ownSampler(name: SamplerName, ratio: number): Sampler {
  if (name.endsWith('always_on')) return () => true;
  if (name.endsWith('always_off')) return () => false;
  const threshold = (1 - ratio) * RANDOM_VALUES;
  // As others do who sample consistently: whoever samples more than we do has all of ours.
  return ({ traceId }) => Number.parseInt(traceId.slice(-RANDOM_DIGITS), 16) >= threshold;
}
