import { describe, expect, it } from '@jest/globals';
import { CauseLedger, causeOf } from './cause-ledger.js';
import { safeMessage, safePlace } from './safe-text.js';

const MINUTE = 60_000;

describe('the ledger of causes', () => {
  it('tells a cause once, and again after ten minutes with how often it came', () => {
    const ledger = new CauseLedger();
    expect([0, 1, 9 * MINUTE].map((now) => ledger.admit('a', now))).toEqual([0, undefined, undefined]);
    expect(ledger.admit('b', 9 * MINUTE)).toBe(0);
    expect(ledger.admit('a', 10 * MINUTE)).toBe(2);
    expect(ledger.admit('a', 20 * MINUTE)).toBe(0);
  });

  it('tells thirty a minute, whatever their causes', () => {
    const ledger = new CauseLedger();
    const told = (now: number) =>
      Array.from({ length: 100 }, (_, number) => ledger.admit(`${now} ${number}`, now)).filter((one) => one === 0);
    expect([told(0).length, told(MINUTE - 1).length, told(MINUTE).length]).toEqual([30, 0, 30]);
  });

  it('takes bugs of one place for one cause, whatever they say, and every trouble of the store for one', () => {
    const bug = (text: string) => new TypeError(text);
    const [one, two] = ['x', 'y'].map(bug);
    expect(causeOf({ name: 'internal', error: one })).toBe(causeOf({ name: 'internal', error: new Error('z', { cause: two }) }));
    expect(causeOf({ name: 'internal', error: one })).not.toBe(causeOf({ name: 'internal', error: new TypeError('x') }));
    expect(causeOf({ name: 'store_unwritable', error: one })).toBe(causeOf({ name: 'store_unwritable' }));
  });
});

describe('what is said of an error', () => {
  it.each([
    ["Cannot read properties of undefined (reading 'secret')", 'Cannot read properties of undefined'],
    ['config.secret is not a function', 'is not a function'],
    [`Unexpected token 's', "secret" is not valid JSON`, 'Unexpected token'],
    ["ENOENT: no such file or directory, open '/srv/secret'", 'ENOENT: no such file or directory'],
    ['ENOENT: secret', '(in the log)'],
    ['UNIQUE constraint failed: secret.name', 'UNIQUE constraint failed'],
    ['the secret is on fire', '(in the log)'],
  ])('%s: quotes nobody', (message, said) => expect(safeMessage(message)).toBe(said));

  it.each([
    ['/home/somebody/app/node_modules/fastify/lib/reply.js', 'app:///node_modules/fastify/lib/reply.js'],
    ['node:internal/process/task_queues', 'node:internal/process/task_queues'],
    ['/home/somebody/plan.js', undefined],
    ['/x/node_modules/../../etc/passwd', undefined],
  ])('%s: shows no way of this host', (file, place) => expect(safePlace(file)).toBe(place));
});
