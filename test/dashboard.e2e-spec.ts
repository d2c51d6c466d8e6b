import { afterEach, describe, expect, it } from '@jest/globals';
import type { Dashboard } from '../src/dashboard/dashboard.schemas.js';
import { dashboardSchema } from '../src/dashboard/dashboard.schemas.js';
import { command, exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, startGateway, stopGateways } from './kit/gateway.js';

afterEach(stopGateways);

const commands = {
  show,
  exits: { ...exits, breaker: 'thin-ice' },
  sleeper,
  'secret.sleeper': { ...sleeper, breaker: 'secret-ice' },
  single: { ...sleeper, limits: { concurrent: 1 } },
  harms: command({ exec: ['printf', '%s', '{value}'], params: { value: { type: 'string' } } }),
};

async function look(caller: Caller): Promise<Dashboard> {
  const { status, body } = await caller.get<Dashboard>('/dashboard');
  expect(status).toBe(200);
  return dashboardSchema.strict().parse(body);
}

describe('the dashboard', () => {
  it('shows an admin what everybody ran, and others what they ran themselves', async () => {
    const gateway = await startGateway({ commands });
    const [admin, one, narrow, reader] = [
      await gateway.as('admin'),
      await gateway.as('operator'),
      await gateway.as('operator', ['show']),
      await gateway.as('readonly'),
    ];
    await one.run('exits', { code: 0 });
    await one.run('exits', { code: 3 });
    await narrow.run('show', { value: 'x' });
    await one.post('/run', { command: 'secret.sleeper' }, { prefer: 'respond-async' });
    for (let count = 0; count < 2; count++) await one.post('/run', { command: 'single' }, { prefer: 'respond-async' });
    expect((await admin.post('/run', { command: 'harms', args: { value: 'rm -rf /' } })).status).toBe(403);
    await admin.get('/nowhere');
    const whole = await eventually(async () => {
      const found = await look(admin);
      return found.runs.active === 2 && found;
    });
    const nothing = { failed: 0, timed_out: 0, cancelled: 0, rejected: 0, lost: 0 };
    expect(whole).toMatchObject({
      scope: 'gateway',
      version: '0.1.0',
      runs: {
        ...{ active: 2, queued: 1, slots: 64, queuePlaces: 1000 },
        today: { date: new Date().toISOString().slice(0, 10), accepted: 6, open: 3, byOutcome: { ...nothing, succeeded: 2, failed: 1 } },
        topCommands: [
          { command: 'exits', runs: 2, unsuccessful: 1, open: 0 },
          { command: 'single', runs: 2, unsuccessful: 0, open: 2 },
          { command: 'secret.sleeper', runs: 1, unsuccessful: 0, open: 1 },
          { command: 'show', runs: 1, unsuccessful: 0, open: 0 },
        ],
      },
      blocked: { total: 1 },
      breakers: [
        { name: 'secret-ice', state: 'closed' },
        { name: 'thin-ice', state: 'closed' },
      ],
      events: { received: 0, webSocketClients: 0 },
      captures: 0,
      templates: 0,
    });
    expect(whole.traffic.map(({ minutes }) => minutes)).toEqual([1, 5, 15]);
    for (const { requests, refusals, perSecond, latency, runs } of whole.traffic) {
      expect(requests).toBeGreaterThanOrEqual(8);
      expect(refusals).toBeGreaterThanOrEqual(2);
      expect(runs).toBe(3);
      expect(perSecond).toBeGreaterThan(0);
      expect([latency.averageMs, latency.p50Ms, latency.p95Ms, latency.p99Ms].every((ms) => ms !== null && ms > 0)).toBe(true);
    }
    expect((await look(one)).runs).toMatchObject({ active: 2, queued: 1, today: { accepted: 5, open: 3 } });
    const own = await look(narrow);
    expect(own).toMatchObject({
      scope: 'own',
      runs: { active: 0, queued: 0, today: { accepted: 1 }, topCommands: [{ command: 'show' }] },
      breakers: [],
    });
    for (const seen of [own, await look(reader)]) expect(JSON.stringify(seen)).not.toMatch(/"(?:exits|single|secret\.sleeper|harms)"/);
    expect((await look(reader)).runs).toMatchObject({ active: 0, today: { accepted: 0, open: 0 }, topCommands: [] });
    expect((await look(narrow)).breakers).toEqual([]);
    expect((await gateway.anonymous().get('/dashboard')).status).toBe(401);
  });

  it('counts the limits that were hit, and is found once a second however many ask', async () => {
    const gateway = await startGateway({ commands: { rare: { ...exits, limits: { rate: '1/h' } } } });
    const admin = await gateway.as('admin');
    for (let count = 0; count < 3; count++) await admin.post('/run', { command: 'rare', args: { code: 0 } });
    const asked = performance.now();
    const seen = await Promise.all(Array.from({ length: 100 }, () => look(admin)));
    expect(new Set(seen.map(({ timestamp }) => timestamp)).size).toBeLessThanOrEqual(1 + (performance.now() - asked) / 1_000);
    expect(seen[0]).toMatchObject({ limits: { key: 0, address: 0, command: 2, budget: 0, busy: 0 }, runs: { today: { accepted: 1 } } });
  });
});
