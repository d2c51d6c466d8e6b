import { afterAll, expect } from '@jest/globals';
import { type Loss, replay } from '../kit/power-cut-history.js';
import { tracedRuns } from '../kit/power-cut-run.js';
import { removeHomes } from '../kit/program.js';
import { hasStrace } from '../kit/strace.js';
import { row, SCALE } from '../kit/torture.js';

afterAll(removeHomes);

const needs = [hasStrace, 'there is no strace'] as const;
const none: readonly Loss[] = [];
const ALONE = 250;
const TOGETHER = 750;

row(
  'D1',
  '0 of 1,000 acknowledged runs and entries lost to a power cut',
  async (tried) => {
    const { home, events } = await tracedRuns(ALONE * SCALE, TOGETHER * SCALE);
    const { acknowledgements, starts, cuts, losses } = replay(events, home.folder);
    tried.add('acknowledgements', acknowledgements);
    tried.add('program starts', starts);
    tried.add('power cuts', cuts);
    tried.add('losses', losses.length);
    expect(losses).toEqual(none);
    expect(acknowledgements).toBeGreaterThanOrEqual((ALONE + TOGETHER) * SCALE);
  },
  { needs },
);

row(
  'D1',
  '0 lost or broken when unsynced writes are torn, dropped and reordered',
  async (tried) => {
    const { home, events } = await tracedRuns(100, 200);
    for (let seed = 1; seed <= 4 * SCALE; seed += 1) {
      const { cuts, losses } = replay(events, home.folder, { randomCuts: 250, seed });
      tried.add('power cuts', cuts);
      tried.add('losses', losses.length);
      expect([seed, losses]).toEqual([seed, none]);
    }
  },
  { needs },
);
