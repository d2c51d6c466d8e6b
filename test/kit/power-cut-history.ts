import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { auditHash } from '../../src/audit/audit-verifier.js';
import { GENESIS_HASH } from '../../src/domain/audit.js';
import type { RunStatus } from '../../src/domain/run.js';
import { auditEntryOf, type AuditRow } from '../../src/storage/schema.js';
import { Disk, type Fate, NOTHING_MORE } from './power-cut.js';
import type { TraceEvent } from './trace.js';

/** What the world has seen of a run by some moment. */
interface Seen {
  readonly id: string;
  readonly status: RunStatus;
}

/** A moment at which the power may go, and what must be found afterwards. */
interface Moment {
  /** Runs that were acknowledged. */
  readonly acknowledged: readonly Seen[];
  /** Marks of runs whose program was started. */
  readonly started: ReadonlySet<string>;
}

/** What was found missing or broken, in words. */
export type Loss = string;

export interface ReplayOptions {
  /** Calls that the replay is to forget: to prove that it would notice. */
  readonly forget?: (event: TraceEvent) => boolean;
  /** Instead of after each promise the power goes at about so many random moments, and leaves part of what was not synced. */
  readonly randomCuts?: number;
  readonly seed?: number;
}

export interface Replay {
  readonly acknowledgements: number;
  readonly starts: number;
  readonly cuts: number;
  readonly losses: readonly Loss[];
}

/**
 * Cuts the power after each promise (an acknowledgement, the start of a program), with nothing left but what was synced by then;
 * opens what is left each time, and looks for all that was promised.
 * @param home folder that was there before; the data lies in `data` below it
 */
export function replay(events: readonly TraceEvent[], home: string, options: ReplayOptions = {}): Replay {
  const { forget = () => false, randomCuts, seed = 1 } = options;
  const random = randomFrom(seed);
  const place = mkdtempSync(join(tmpdir(), 'power-cut-'));
  const disk = new Disk(home);
  const moment = { acknowledged: [] as Seen[], started: new Set<string>() };
  const result = { acknowledgements: 0, starts: 0, cuts: 0, losses: [] as Loss[] };
  const cut = (fate: Fate, when: string) => {
    result.cuts += 1;
    disk.restore(join(home, 'data'), join(place, 'data'), fate);
    result.losses.push(...lossesIn(join(place, 'data'), moment).map((loss) => `${when}: ${loss}`));
  };
  for (const [index, event] of events.entries()) {
    if (!forget(event)) disk.apply(event);
    const seen = event.kind === 'sent' ? acknowledgementIn(event.bytes) : undefined;
    const mark = event.kind === 'executed' ? markIn(event.argv) : undefined;
    if (seen) moment.acknowledged.push(seen);
    if (mark !== undefined) moment.started.add(mark);
    if (randomCuts === undefined) {
      if (seen ?? mark) cut(NOTHING_MORE, `after promise ${result.cuts}`);
    } else if (random() < randomCuts / events.length) cut(fateFrom(random), `at event ${index}`);
  }
  result.acknowledgements = moment.acknowledged.length;
  result.starts = moment.started.size;
  rmSync(place, { recursive: true });
  return result;
}

/** A disk of moods: keeps nothing, all, or some of what was not synced, in sectors. */
function fateFrom(random: () => number): Fate {
  const [names, bytes] = [random(), random()].map((mood) => (mood < 0.2 ? 0 : mood > 0.8 ? 1 : mood)) as [number, number];
  return { keepsName: () => random() < names, keepsBytes: () => random() < bytes };
}

/** Mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The run that an answer names. */
function acknowledgementIn(bytes: Buffer): Seen | undefined {
  const text = bytes.toString('latin1');
  if (!/^HTTP\/1\.1 20[02] /.test(text)) return undefined;
  const [, id, status] = /\r\n\r\n\{"id":"(run_\w+)",.*?"status":"(\w+)"/s.exec(text) ?? [];
  return id && status ? { id, status: status as RunStatus } : undefined;
}

/** Witness programs carry their mark as last argument. */
function markIn(argv: readonly string[]): string | undefined {
  return argv[0]?.endsWith('/appends-run-id') ? argv.at(-1) : undefined;
}

interface StoredRun {
  readonly id: string;
  readonly status: RunStatus;
  readonly mark: string | null;
}

function lossesIn(folder: string, { acknowledged, started }: Moment): Loss[] {
  try {
    const { runs, entries } = contentOf(join(folder, 'sallyport.db'));
    const byId = new Map(runs.map((run) => [run.id, run]));
    const audited = new Set(entries.map(({ action, subject }) => `${action} ${subject}`));
    const marks = new Set(runs.map(({ mark }) => mark));
    return [
      ...acknowledged.flatMap(({ id, status }) => {
        const ended = !['queued', 'running'].includes(status);
        if (!byId.has(id)) return [`the run ${id} is gone`];
        if (ended && byId.get(id)?.status !== status) return [`the run ${id} is not ${status}`];
        if (!audited.has(`run.intent ${id}`) || (ended && !audited.has(`run.outcome ${id}`))) return [`the run ${id} is not audited`];
        return [];
      }),
      ...[...started].filter((mark) => !marks.has(mark)).map((mark) => `${mark} was started without an intent`),
      ...chainFault(entries),
    ];
  } catch (error) {
    if (acknowledged.length === 0 && started.size === 0) return [];
    return [`the database cannot be read: ${String(error)}`];
  }
}

function contentOf(file: string): { runs: StoredRun[]; entries: AuditRow[] } {
  const database = new Database(file, { readonly: true });
  try {
    return {
      runs: database.prepare("select id, status, json_extract(args, '$.mark') as mark from runs").all() as StoredRun[],
      entries: database.prepare('select * from audit_entries order by seq').all() as AuditRow[],
    };
  } finally {
    database.close();
  }
}

function chainFault(rows: readonly AuditRow[]): Loss[] {
  let head = GENESIS_HASH;
  for (const [place, row] of rows.entries()) {
    if (row.seq !== place + 1 || row.previous_hash !== head || !isSound(row)) return [`the chain breaks at entry ${place + 1}`];
    head = row.hash;
  }
  return [];
}

/** Entries that were found sound before, word for word: the same ones come up after every cut. */
const sound = new Set<string>();

function isSound(row: AuditRow): boolean {
  const words = JSON.stringify(Object.values(row));
  if (!sound.has(words) && auditHash(auditEntryOf(row)) === row.hash) sound.add(words);
  return sound.has(words);
}
