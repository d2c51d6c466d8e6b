import { fixture } from '../fixtures/fixture.js';
import type { Declaration } from './gateway.js';

/** Declarations that many tests want. All of them start programs from `test/fixtures`, or plain tools of the system. */

/** Prints its one argument and a NUL: exactly the bytes it was given. */
export const show: Declaration = command({ exec: ['printf', String.raw`%s\0`, '{value}'], params: { value: { type: 'string' } } });

/** Prints its pid and stays until it is ended. */
export const sleeper: Declaration = command({ exec: [fixture('sleeps-forever')], effect: 'change', timeout: '1min' });

/** Prints `drip 1` to `drip COUNT`, `gap` seconds apart. */
export const drip: Declaration = command({
  exec: [fixture('slow-drip'), '{count}', '{gap}'],
  params: { count: { type: 'integer', min: 1, max: 100 }, gap: { type: 'string', pattern: '[0-9.]+', default: '0' } },
});

/** Ends with the code it is told. */
export const exits: Declaration = command({
  exec: [fixture('exits-with'), '{code}'],
  params: { code: { type: 'integer', min: 0, max: 255 } },
});

/** Adds a line to `file` each time it runs. */
export function witness(file: string): Declaration {
  return command({
    exec: [fixture('appends-run-id'), file, '{mark}'],
    params: { mark: { type: 'string', default: 'ran' } },
    effect: 'change',
  });
}

/** A declaration with the keys that every command needs filled in. It is not contained: what a sandbox does is tried by tests of its own. */
export function command(declaration: Declaration): Declaration {
  const isProgram = declaration['builtin'] === undefined;
  return { summary: 'Serves a test', effect: 'read', ...(isProgram ? { sandbox: { profile: 'host' } } : {}), ...declaration };
}
