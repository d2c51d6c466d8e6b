import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Role } from '../domain/principal.js';
import { Admission, type Ticket } from './admission.js';

const never = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

const of = (id: string, role: Role = 'operator') => ({ id, role });

interface Guest {
  readonly command: string;
  readonly key: string;
  readonly ticket: Ticket;
  readonly leave: AbortController;
  inside: boolean;
}

/** Claims for a guest whose `inside` follows the ticket. */
function admit(admission: Admission, command: string, concurrent: number | null = null, principal = of('key')): Guest {
  const leave = new AbortController();
  const ticket = admission.claim({ command, concurrent, principal }, leave.signal);
  const guest: Guest = { command, key: principal.id, ticket, leave, inside: false };
  void ticket.granted.then((granted) => void (guest.inside = granted));
  return guest;
}

describe('admission', () => {
  it('gives slots at once while there are any, and refuses as busy behind a full queue', async () => {
    const admission = new Admission({ total: 2, queue: 1 });
    const guests = [admit(admission, 'a'), admit(admission, 'a'), admit(admission, 'a')];
    expect(guests.map(({ ticket }) => ticket.immediate)).toEqual([true, true, false]);
    expect(() => admission.claim({ command: 'a', concurrent: null, principal: of('key') }, never)).toThrow(
      expect.objectContaining({ code: 'busy', extra: { retryAfterSeconds: 1 } }),
    );
    await settle();
    expect([admission.active, admission.queued]).toEqual([2, 1]);
  });

  it('admits exactly 10 of 200 callers at one time, and all of them in the end (T54)', async () => {
    const admission = new Admission({ total: 64, queue: 1_000 });
    let [inside, most] = [0, 0];
    const visit = async () => {
      const ticket = admission.claim({ command: 'a', concurrent: 10, principal: of('key') }, never);
      if (!(await ticket.granted)) throw new Error('nobody left');
      most = Math.max(most, ++inside);
      await settle();
      inside--;
      ticket.release();
    };
    await Promise.all(Array.from({ length: 200 }, visit));
    expect(most).toBe(10);
    expect([admission.active, admission.queued]).toEqual([0, 0]);
  });

  it('holds up nobody else when a command is at its own limit', async () => {
    const admission = new Admission({ total: 3, queue: 10 });
    const slow = [admit(admission, 'slow', 1), admit(admission, 'slow', 1), admit(admission, 'slow', 1)];
    const quick = admit(admission, 'quick');
    await settle();
    expect([...slow, quick].map(({ inside }) => inside)).toEqual([true, false, false, true]);
    slow[0]?.ticket.release();
    await settle();
    expect(slow.map(({ inside }) => inside)).toEqual([true, true, false]);
  });

  it('forgets who left the queue, and gives the slot to the next', async () => {
    const admission = new Admission({ total: 1, queue: 10 });
    const [first, second, third] = [admit(admission, 'a'), admit(admission, 'a'), admit(admission, 'a')];
    second?.leave.abort();
    first?.ticket.release();
    await settle();
    expect([second?.inside, third?.inside]).toEqual([false, true]);
    second?.ticket.release();
    expect([admission.active, admission.queued]).toEqual([1, 0]);
  });

  it('keeps a slot that was granted before the abort until it is released', async () => {
    const admission = new Admission({ total: 1, queue: 10 });
    const guest = admit(admission, 'a');
    await settle();
    guest.leave.abort();
    expect(admission.active).toBe(1);
    guest.ticket.release();
    guest.ticket.release();
    expect(admission.active).toBe(0);
  });

  it("never exceeds a limit, keeps the order of each key's command and loses no slot, whatever callers do", async () => {
    const commands = { a: null, b: 1, c: 2 } as const;
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('claim' as const),
          command: fc.constantFrom('a', 'b', 'c'),
          key: fc.constantFrom('k', 'l'),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), guest: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), guest: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), fc.nat(6), async (steps, total, queue) => {
        const admission = new Admission({ total, queue });
        const [guests, released] = [[] as Guest[], new Set<Guest>()];
        for (const one of steps) {
          if (one.kind === 'settle') await settle();
          else if (one.kind === 'claim') {
            try {
              guests.push(admit(admission, one.command, commands[one.command], of(one.key)));
            } catch (error) {
              expect(error).toMatchObject({ code: 'busy' });
              expect(admission.queued).toBe(queue);
            }
          } else {
            const guest = guests[one.guest];
            if (one.kind === 'abort') guest?.leave.abort();
            else if (guest) {
              guest.ticket.release();
              released.add(guest);
            }
          }
          expect(admission.active).toBeLessThanOrEqual(total);
          expect(admission.queued).toBeLessThanOrEqual(queue);
        }
        await settle();
        const holding = guests.filter((guest) => guest.inside && !released.has(guest));
        const waiting = guests.filter((guest) => !guest.inside && !released.has(guest) && !guest.leave.signal.aborted);
        expect([admission.active, admission.queued]).toEqual([holding.length, waiting.length]);
        for (const [command, limit] of Object.entries(commands)) {
          const inside = holding.filter((guest) => guest.command === command).length;
          expect(inside).toBeLessThanOrEqual(limit ?? total);
          // Nobody waits in vain, and nobody was overtaken by a later caller with the same key and command.
          for (const key of ['k', 'l']) {
            const next = waiting.find((guest) => guest.command === command && guest.key === key);
            if (!next) continue;
            expect(holding.length === total || inside === limit).toBe(true);
            const later = guests.slice(guests.indexOf(next));
            expect(later.some((guest) => guest.command === command && guest.key === key && guest.inside)).toBe(false);
          }
        }
        guests.forEach(({ ticket }) => ticket.release());
        expect([admission.active, admission.queued]).toEqual([0, 0]);
      }),
      { numRuns: 200 },
    );
  });

  it('gives the next slot to the key that holds the fewest, however many another one has waiting (A11)', async () => {
    const admission = new Admission({ total: 4, queue: 100 });
    const elephants = Array.from({ length: 20 }, () => admit(admission, 'a', null, of('elephant')));
    const mouse = admit(admission, 'a', null, of('mouse'));
    expect(mouse.ticket.immediate).toBe(false);
    elephants[0]?.ticket.release();
    await settle();
    expect([mouse.inside, elephants.filter(({ inside }) => inside).length]).toEqual([true, 4]);
    mouse.ticket.release();
    await settle();
    expect(elephants.filter(({ inside }) => inside)).toHaveLength(5);
  });

  it('keeps an eighth of slots and queue from a single key, and a part of that for admins (A11)', async () => {
    const admission = new Admission({ total: 64, queue: 160 });
    const flood = (id: string) => Array.from({ length: 300 }, () => tryAdmit(admission, of(id)));
    const first = flood('first');
    expect([admission.active, admission.queued]).toEqual([56, 140]);
    expect(first.filter((guest) => guest === 'busy')).toHaveLength(300 - 56 - 140);
    expect(tryAdmit(admission, of('mouse'))).toMatchObject({ ticket: { immediate: true } });
    flood('second');
    expect([admission.active, admission.queued]).toEqual([63, 157]);
    expect(tryAdmit(admission, of('another'))).toBe('busy');
    const admin = tryAdmit(admission, of('root', 'admin'));
    expect(admin).toMatchObject({ ticket: { immediate: true } });
    const queuedAdmin = tryAdmit(admission, of('root', 'admin')) as Guest;
    expect(queuedAdmin.ticket.immediate).toBe(false);
    (first[0] as Guest).ticket.release();
    await settle();
    expect(queuedAdmin.inside).toBe(true);
  });

  it('lets a key that is at its share hold up no other that waits behind it (A11)', async () => {
    const admission = new Admission({ total: 8, queue: 80 });
    const elephants = Array.from({ length: 20 }, () => admit(admission, 'a', null, of('elephant')));
    const [mouse, second] = [admit(admission, 'b', 1, of('mouse')), admit(admission, 'b', 1, of('mouse'))];
    await settle();
    expect([admission.active, mouse.inside, second.inside]).toEqual([7, false, false]);
    elephants[0]?.ticket.release();
    await settle();
    expect([admission.active, mouse.inside]).toEqual([7, true]);
  });
});

function tryAdmit(admission: Admission, principal: ReturnType<typeof of>): Guest | 'busy' {
  try {
    return admit(admission, 'a', null, principal);
  } catch {
    return 'busy';
  }
}
