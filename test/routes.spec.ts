import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { permissionRows } from '../src/openapi/permissions-page.js';
import { startGateway, stopGateways } from './kit/gateway.js';

describe('the routes', () => {
  afterEach(stopGateways);

  it('all declare who may use them, as docs/permissions.md says, in both directions', async () => {
    const routes = (await startGateway()).server.routes.routes();
    expect(routes.filter(({ mark, method }) => !mark && method !== 'OPTIONS')).toEqual([]);
    const rows = [...readFileSync('docs/permissions.md', 'utf8').matchAll(/^\| `([A-Z]+ [^`]+)`\s*\| (.*?)\s*\|$/gm)];
    const documented = rows.map((match) => `${match[1]} ${match[2]}`).sort();
    expect(documented).toEqual(
      permissionRows(routes)
        .map(({ route, access }) => `${route} ${access}`)
        .sort(),
    );
  });

  it('refuse a readonly key wherever they start or end runs', async () => {
    const caller = await (await startGateway()).as('readonly');
    for (const path of ['/run', '/plan', '/batch', '/stream', '/runs/run_x/cancel', '/approvals/run_x/approve', '/approvals/run_x/deny']) {
      expect([path, (await caller.post(path, {})).status]).toEqual([path, 403]);
    }
  });
});
