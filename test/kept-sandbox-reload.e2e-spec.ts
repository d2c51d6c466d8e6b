import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { stringify } from 'yaml';
import { temporaryFolder } from './kit/catalogue-of.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { contained } from './kit/where.js';

const work = realpathSync(temporaryFolder());

/** Says in which sandbox it is: the number of its namespace, and when that began. */
const tells = (differences: Declaration = {}): Declaration =>
  command({
    script: { interpreter: 'sh', text: 'read -r line < /proc/1/stat; set -- $line; echo "$(readlink /proc/self/ns/pid) ${22}"' },
    effect: 'change',
    sandbox: { profile: 'workspace', write: [work] },
    ...differences,
  });

describe('sandboxes that stay', () => {
  let gateway: TestGateway;
  let caller: Caller;
  const pids = () => gateway.server.gateway.parts.launcher.hostPids;
  /** Resolves to the sandbox in which two runs came one after the other. */
  const warm = (name: string) =>
    eventually(async () => {
      const [first, second] = [(await caller.run(name)).stdout, (await caller.run(name)).stdout];
      return first === second && first;
    }, 15_000);
  const declare = async (commands: Readonly<Record<string, Declaration>>) => {
    writeFileSync(join(gateway.folder, 'commands', 'test.yaml'), stringify({ commands }, { aliasDuplicateObjects: false }));
    expect((await (await gateway.as('admin')).post('/config/reload')).status).toBe(200);
  };

  beforeAll(async () => {
    const settings = { SANDBOX: 'auto', CONFIG_WATCH: 'false' };
    gateway = await startGateway({ commands: { stays: tells(), goes: tells(), changes: tells() }, settings });
    caller = await gateway.as('operator');
  });
  afterAll(stopGateways);

  contained('outlive a reload where their command is as it was, and go with one that is changed or removed', async () => {
    const before = pids().length;
    const places = { stays: await warm('stays'), goes: await warm('goes'), changes: await warm('changes') };
    expect(pids().length).toBeGreaterThanOrEqual(before + 3);
    const kept = pids().length;
    await declare({ stays: tells(), changes: tells({ summary: 'Changed' }) });
    await eventually(() => pids().length <= kept - 2);
    expect(await warm('stays')).toBe(places.stays);
    expect(await warm('changes')).not.toBe(places.changes);
  });

  contained('are built anew when another command brings a place that they must not move', async () => {
    const place = await warm('stays');
    mkdirSync(join(work, 'tools'));
    await declare({ stays: tells(), other: tells({ sandbox: { profile: 'workspace', read: [join(work, 'tools')] } }) });
    expect(await warm('stays')).not.toBe(place);
  });
});
