import { afterEach, describe, expect } from '@jest/globals';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { eventually } from './kit/eventually.js';
import { expectRefused, expectTold, servedUnder, syncFault, UNREADY } from './kit/faulty-server.js';
import { Chronicler, expectSound } from './kit/history.js';
import type { Operation } from './kit/history-checker.js';
import { removeHomes } from './kit/program.js';
import { withStrace } from './kit/strace.js';

afterEach(removeHomes);

describe('a disk that does not answer', () => {
  withStrace(
    'costs a caller five seconds once and the others none; what was in doubt is settled when it answers',
    async () => {
      const { home, server, admin } = await servedUnder(syncFault(2, 'intent', 'delay_enter=7000000'));
      const history: Operation[] = [];
      const client = new Chronicler(admin, history);
      await client.run('quick', 'before');
      const hanging = client.run('quick', 'hanging');
      for (const path of ['/livez', '/ready', '/health/details']) {
        const asked = performance.now();
        await admin.get(path);
        expect([path, performance.now() - asked < 2_000]).toEqual([path, true]);
      }
      const { outcome, startedAt, endedAt } = await hanging;
      expect(outcome).toBe('rejected');
      expect(endedAt - startedAt).toBeGreaterThan(4_900);
      expect(endedAt - startedAt).toBeLessThan(6_000);
      await expectRefused(admin, home.marks);
      expect((await admin.get('/ready')).body).toEqual(UNREADY);
      expect((await admin.get('/livez')).status).toBe(200);
      expect((await admin.get('/health/details')).body).toMatchObject({ status: 'limited', services: { storage: { status: 'failing' } } });
      await expectTold(server, { level: 'error', reason: 'The disk does not answer.' });
      await eventually(async () => (await admin.get('/ready')).status === 200, 5_000);
      const { runs } = await eventually(() => expectSound(history, admin, home.marks));
      expect(runs.map(({ args, status }) => [args['mark'], status])).toEqual([
        ['hanging', 'rejected'],
        ['before', 'succeeded'],
      ]);
    },
    60_000,
  );

  withStrace(
    'while an outcome is recorded keeps it: one end, the true one, without a restart',
    async () => {
      const { home, admin } = await servedUnder(syncFault(1, 'outcome', 'delay_enter=6000000'));
      const history: Operation[] = [];
      const { runId = '' } = await new Chronicler(admin, history).run('quick', 'done');
      expect(history).toMatchObject([{ outcome: 'unknown' }]);
      await eventually(async () => (await admin.get<RunEnvelope>(`/runs/${runId}`)).body.status === 'succeeded', 5_000);
      await expectSound(history, admin, home.marks);
    },
    60_000,
  );
});
