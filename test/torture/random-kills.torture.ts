import { afterAll, expect } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '../fixtures/fixture.js';
import { eventually } from '../kit/eventually.js';
import { Chronicler, expectSound } from '../kit/history.js';
import type { Operation } from '../kit/history-checker.js';
import { removeHomes } from '../kit/program.js';
import { row, SCALE, type Tally } from '../kit/torture.js';
import { type WitnessHome, witnessHome } from '../kit/witness-home.js';

afterAll(removeHomes);

const KILLS = 30 * SCALE;
/** The history is looked at after so many kills: it only grows. */
const LOOK_EVERY = 10;

async function loadUntilGone(client: Chronicler, round: number): Promise<void> {
  let asked = 0;
  const worker = async () => {
    for (let outcome = 'ok'; outcome === 'ok';) {
      const mark = `mark-${round}-${++asked}`;
      ({ outcome } = await client.run(asked % 9 === 0 ? 'long' : 'quick', mark, asked % 3 === 0 ? 'async' : 'wait'));
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
}

async function killAgainAndAgain(home: WitnessHome, tried: Tally): Promise<void> {
  const history: Operation[] = [];
  for (let round = 1; round <= KILLS; round += 1) {
    const server = await home.serve();
    const admin = await server.as(home.adminKey);
    if (round % LOOK_EVERY === 0) await expectSound(history, admin, home.marks);
    const loaded = loadUntilGone(new Chronicler(admin, history), round);
    await delay(Math.random() * 500);
    await server.end('SIGKILL');
    await loaded;
    await eventually(() => home.pids().filter(isAlive).length === 0, 5_000);
    tried.add('kills');
  }
  await expectSound(history, await (await home.serve()).as(home.adminKey), home.marks);
  tried.add('requests', history.length);
  tried.add('acknowledged', history.filter(({ outcome }) => outcome === 'ok').length);
  expect(history.every(({ outcome }) => outcome !== 'rejected')).toBe(true);
}

row(
  'D3',
  'kill -9 at any moment loses and doubles nothing, and leaves nothing alive',
  async (tried) => {
    // Both to their end: a home is not removed under a gateway that runs in it.
    const ends = await Promise.allSettled([witnessHome(), witnessHome()].map((home) => killAgainAndAgain(home, tried)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  },
  { timeoutMs: 10 * 60_000 * SCALE },
);
