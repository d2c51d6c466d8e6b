import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from '@jest/globals';
import { show } from '../kit/commands.js';
import { eventually } from '../kit/eventually.js';
import { parseLog, sendHostileRequests } from '../kit/hostile-requests.js';
import { programHome, removeHomes } from '../kit/program.js';
import { row, SCALE } from '../kit/torture.js';

afterEach(removeHomes);

const REQUESTS = Math.round(20_000 * SCALE);

for (const ending of ['SIGTERM', 'SIGKILL'] as const)
  row('T44', `every line of both logs is JSON of ours after hostile requests and ${ending}`, async (tried) => {
    const home = programHome({ commands: { show } });
    const settings = { LOG_DIR: 'logs', LOG_LEVEL: 'trace', TRUSTED_PROXIES: '127.0.0.1', CONNECTIONS_PER_ADDRESS: '0' };
    const server = await home.serve(settings);
    tried.add('answers', await sendHostileRequests(await server.url(), REQUESTS, home.adminKey));
    const folder = join(home.folder, 'logs');
    const lines = () => readdirSync(folder).flatMap((name) => parseLog(readFileSync(join(folder, name), 'utf8')));
    // Nothing but a moment keeps a line from the disk.
    const isLast = ({ user_agent }: Record<string, unknown>) => user_agent === 'last';
    await fetch(`${await server.url()}/health`, { headers: { 'user-agent': 'last' } });
    if (ending === 'SIGKILL') await eventually(() => lines().some(isLast));
    await server.end(ending);
    expect(lines().filter(isLast)).toHaveLength(1);
    tried.add('lines of requests', lines().length);
    tried.add('lines of the gateway', parseLog(server.stdout).length);
    expect(lines().length).toBeGreaterThan(REQUESTS / 3);
  });
