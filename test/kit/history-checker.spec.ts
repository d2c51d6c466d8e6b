import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { AuditAction } from '../../src/domain/audit.js';
import { Db, type Write } from '../../src/domain/db.js';
import { GatewayError } from '../../src/domain/errors.js';
import type { RunOutcome } from '../../src/domain/run.js';
import { RunService } from '../../src/runs/run.service.js';
import { witness } from './commands.js';
import { type TestGateway, startGateway, stopGateways } from './gateway.js';
import { Chronicler, remains } from './history.js';
import { checkHistory, type Operation, type RuleName, type Violation } from './history-checker.js';
import { temporaryFolder, withDatabase } from './storage.js';

afterEach(stopGateways);

/** Puts a bug into a gateway that serves already. What it gives back is done when the clients are. */
type Plant = (gateway: TestGateway) => (() => void) | undefined;
type Append = Extract<Write, { kind: 'audit.append' }>;

/** For each rule a gateway that breaks it. */
const BUGS: Readonly<Record<RuleName, Plant>> = {
  'acknowledged is stored': (gateway) => rewrite(gateway, () => []),
  'acknowledged is audited': (gateway) => rewrite(gateway, (writes) => writes.filter((write) => !isEntry(write, 'run.intent'))),
  'told is kept': (gateway) =>
    rewrite(gateway, (writes) =>
      writes.map((write) => (write.kind === 'run.finish' ? { ...write, run: { ...write.run, status: 'failed' } } : write)),
    ),
  'started at most once': ({ server }) => {
    const { launcher } = server.gateway.parts;
    const launch = launcher.launch.bind(launcher);
    launcher.launch = (request, handlers) => {
      launch(request, { onOutput: () => undefined, onTruncated: () => undefined, onEnd: () => void launch(request, handlers) });
      return { kill: () => undefined };
    };
    return undefined;
  },
  'succeeded has run': ({ server }) => {
    server.gateway.parts.launcher.launch = (_request, handlers) => {
      handlers.onEnd({ kind: 'exited', code: 0 });
      return { kill: () => undefined };
    };
    return undefined;
  },
  'intent comes first': (gateway) => {
    const held: Write[] = [];
    rewrite(gateway, (writes) => {
      const intents = writes.filter((write) => isEntry(write, 'run.intent'));
      held.push(...intents);
      return intents.length > 0 ? writes.filter((write) => !isEntry(write, 'run.intent')) : [...writes, ...held.splice(0)];
    });
  },
  'ended exactly once': (gateway) => rewrite(gateway, (writes) => [...writes, ...writes.filter((write) => isEntry(write, 'run.outcome'))]),
  'audited as it ended': (gateway) =>
    rewrite(gateway, (writes) => writes.map((write) => (isEntry(write, 'run.outcome') ? saying({ kind: 'lost' }, write) : write))),
  'nothing is open': (gateway) => rewrite(gateway, (writes) => writes.filter(({ kind }) => kind !== 'run.finish')),
  'numbered without gaps': (gateway) => afterwards(gateway, 'delete from audit_entries where seq = 3'),
  'the chain holds': (gateway) => afterwards(gateway, `update audit_entries set details = '{}' where seq = 3`),
  'refused never ran': (gateway) => answering(gateway, new GatewayError('busy', 'A lie.')),
  'unknown is resolved': (gateway) => {
    answering(gateway, new Error('Nobody knows.'));
    return rewrite(gateway, () => []);
  },
};

describe('the history checker', () => {
  it('has nothing to say against an honest gateway', async () => {
    expect(await violationsOf(() => undefined)).toEqual([]);
  });

  it.each(Object.keys(BUGS) as RuleName[])('finds the gateway that breaks "%s"', async (rule) => {
    const violations = await violationsOf(BUGS[rule]);
    expect(violations.map((violation) => violation.rule)).toContain(rule);
  });

  it('names what breaks a rule', async () => {
    const violations = await violationsOf(BUGS['numbered without gaps']);
    expect(violations).toContainEqual({ rule: 'numbered without gaps', subject: 'entry 4' });
  });
});

/** What is found after two runs and a refusal with this bug in the gateway. */
async function violationsOf(plant: Plant): Promise<Violation[]> {
  const folder = await temporaryFolder();
  const marks = join(folder, 'marks');
  const gateway = await startGateway({ commands: { quick: witness(marks) } });
  const admin = await gateway.as('admin');
  const history: Operation[] = [];
  const client = new Chronicler(admin, history);
  const finish = plant(gateway);
  await client.run('quick', 'one');
  await client.run('quick', 'two');
  await client.run('no-such-command', 'three');
  finish?.();
  const violations = checkHistory(history, await remains(admin, marks));
  await rm(folder, { recursive: true });
  return violations;
}

/** A store that commits something else than it is told, and says that all is well. Only what runs write: keys are left alone. */
function rewrite(gateway: TestGateway, change: (writes: readonly Write[]) => readonly Write[]): undefined {
  const db = gateway.server.app.get(Db);
  const commit = db.commit.bind(db);
  db.commit = async (writes) => {
    const changed = writes.some(({ kind }) => kind.startsWith('run.')) ? change(writes) : writes;
    if (changed.length > 0) await commit(changed);
  };
}

/** A gateway that answers this, whatever became of the run. */
function answering(gateway: TestGateway, error: Error): undefined {
  const runs = gateway.server.app.get(RunService);
  const start = runs.start.bind(runs);
  runs.start = async (request, origin) => {
    const live = await start(request, origin);
    await live.finished;
    throw error;
  };
}

function afterwards({ dataDir }: TestGateway, sql: string): () => void {
  return () => withDatabase(dataDir, (database) => database.exec(sql));
}

function isEntry(write: Write, action: AuditAction): write is Append {
  return write.kind === 'audit.append' && write.record.action === action;
}

function saying(outcome: RunOutcome, write: Append): Append {
  return { ...write, record: { ...write.record, details: { ...write.record.details, outcome } } };
}
