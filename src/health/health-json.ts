import type { Measurement, ProbeKind } from '../domain/ports.js';
import { VERSION } from '../config/version.js';
import { Answer } from '../http/answer.js';
import { preferredType } from '../http/accept.js';
import type { Verdict } from './examination.js';
import type { Examined, Readiness } from './readiness.js';

export const HEALTH_JSON = 'application/health+json';

type Status = 'pass' | 'warn' | 'fail';

/** One thing that was looked at. */
interface Check {
  readonly componentId?: string;
  readonly componentType?: string;
  readonly observedValue?: Measurement['value'];
  readonly observedUnit?: string;
  readonly status?: Status;
  readonly time?: string;
  readonly output?: string;
}

/** What `application/health+json` holds (draft-inadarei-api-health-check-06). Keys of `checks` are `component:measurement`. */
export interface HealthJson {
  readonly status: Status;
  readonly version: string;
  readonly releaseId: string;
  readonly description: string;
  readonly output?: string;
  readonly checks?: Readonly<Record<string, readonly Check[]>>;
}

const STATUS: Readonly<Record<Verdict['status'], Status>> = { ok: 'pass', warning: 'warn', failing: 'fail' };

/** The answer in the form that the caller would rather have. A `fail` of health+json is a 503, as its draft wants it. */
export function inForm<Plain>(accept: string | undefined, plain: Answer<Plain>, health: () => HealthJson): Answer<Plain | HealthJson> {
  const vary = { vary: 'Accept' };
  if (preferredType(accept, ['application/json', HEALTH_JSON]) !== HEALTH_JSON) return new Answer(plain.status, plain.body, vary);
  const body = health();
  return new Answer(body.status === 'fail' ? 503 : 200, body, { ...vary, 'content-type': `${HEALTH_JSON}; charset=utf-8` });
}

export function healthJson(status: Status, more: Pick<HealthJson, 'checks' | 'output'> = {}): HealthJson {
  return { status, version: VERSION.replace(/\..*/, ''), releaseId: VERSION, description: 'Sallyport', ...more };
}

/** For everybody: names of what fails, and nothing of why. */
export function readinessJson(readiness: Readiness): HealthJson {
  if (readiness.status === 'ready') return healthJson('pass');
  const checks = Object.fromEntries(readiness.failing.map((name) => [name, [{ status: 'fail' as const }]]));
  return healthJson('fail', { checks, ...(readiness.restartRequired ? { output: 'Waiting will not help: a restart is needed.' } : {}) });
}

/** The checks of all probes: how long each took to answer, and what it measured. */
export function checksOf(examined: readonly Examined[]): Record<string, readonly Check[]> {
  const checks: Record<string, Check[]> = {};
  for (const one of examined) for (const [key, check] of entriesOf(one)) (checks[key] ??= []).push(check);
  return checks;
}

function entriesOf({ probe: { name, kind }, finding }: Examined): [key: string, check: Check][] {
  const { verdict, measured, at: time, durationMs } = finding;
  const failed = verdict.status === 'failing';
  const answered = {
    componentType: componentTypeOf(kind),
    observedValue: durationMs,
    observedUnit: 'ms',
    status: failed ? STATUS.failing : STATUS.ok,
    time,
    ...(failed ? { output: verdict.reason } : {}),
  };
  return [
    [`${name}:responseTime`, answered],
    ...measured.map((measurement): [string, Check] => [
      `${name}:${measurement.name}`,
      { ...checkOf(measurement), componentType: componentTypeOf(kind), time },
    ]),
  ];
}

/** The draft knows no word for outside services. */
function componentTypeOf(kind: ProbeKind): string {
  return kind === 'provider' ? 'component' : kind;
}

function checkOf({ of, value, unit, warning }: Measurement): Check {
  return {
    ...(of === undefined ? {} : { componentId: of }),
    observedValue: value,
    ...(unit === undefined ? {} : { observedUnit: unit }),
    status: warning === undefined ? 'pass' : 'warn',
    ...(warning === undefined ? {} : { output: warning }),
  };
}
