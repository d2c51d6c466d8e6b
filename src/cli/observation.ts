/** `warning`: works, and an operator should know; `failure`: the gateway would not start, or refuse work. */
export interface Observation {
  readonly weight: 'ok' | 'warning' | 'failure';
  readonly about:
    | 'settings'
    | 'node'
    | 'data'
    | 'files'
    | 'port'
    | 'disk'
    | 'clock'
    | 'store'
    | 'catalogue'
    | 'containment'
    | 'logs'
    | 'errors'
    | 'redis'
    | 'traces';
  readonly text: string;
  /** What to do about it; null where all is well. */
  readonly advice: string | null;
}

export function ok(about: Observation['about'], text: string): Observation {
  return { weight: 'ok', about, text, advice: null };
}

export function warning(about: Observation['about'], text: string, advice: string): Observation {
  return { weight: 'warning', about, text, advice };
}

export function failure(about: Observation['about'], text: string, advice: string): Observation {
  return { weight: 'failure', about, text, advice };
}
