import { auditHash } from '../../src/audit/audit-verifier.js';
import { type AuditAction, type AuditEntry, GENESIS_HASH } from '../../src/domain/audit.js';
import type { RunStatus } from '../../src/domain/run.js';
import type { RunSummary } from '../../src/runs/run-envelope.js';

/** One request as its client saw it. */
export interface Operation {
  /** Unique, and an argument of the run: an operation that nobody answered is found again by it. */
  readonly mark: string;
  /** Where the request carried one. */
  readonly idempotencyKey?: string;
  /** Milliseconds of the client's monotonic clock. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** `unknown`: no answer came, or one that says that the run may have been carried out. */
  readonly outcome: 'ok' | 'rejected' | 'unknown';
  /** As the answer named it. */
  readonly runId?: string;
  /** What the answer said of the run. */
  readonly status?: RunStatus;
}

/** What is found when all is over: the store's content, and one mark for each time that a witness command ran. */
export interface Remains {
  readonly runs: readonly RunSummary[];
  readonly entries: readonly AuditEntry[];
  readonly witnesses: readonly string[];
}

export interface Violation {
  readonly rule: RuleName;
  /** The mark, the id or the entry that breaks it. */
  readonly subject: string;
}

export type RuleName = keyof typeof RULES;

const OPEN: readonly RunStatus[] = ['queued', 'running'];

/** Everything that must be true of any history, whatever was killed, cut or failed in it. A rule names what breaks it. */
const RULES = {
  /** A run that an answer named is in the store. */
  'acknowledged is stored': ({ operations, run }) => named(operations).filter(({ runId }) => !run(runId)),
  /** ... with its intent and, where it was said to have ended, its outcome. */
  'acknowledged is audited': ({ operations, entriesOf }) =>
    named(operations).filter(
      ({ runId, status }) =>
        entriesOf(runId, 'run.intent').length === 0 || (hasEnded(status) && entriesOf(runId, 'run.outcome').length === 0),
    ),
  /** An end that a client was told of is the end that is stored. */
  'told is kept': ({ operations, run }) =>
    named(operations).filter(({ runId, status }) => hasEnded(status) && run(runId) && run(runId)?.status !== status),
  'started at most once': ({ witnesses }) => witnesses.filter((mark, place) => witnesses.indexOf(mark) !== place),
  'succeeded has run': ({ runs, witnesses }) =>
    runs.filter((run) => run.status === 'succeeded' && isWitness(run) && !witnesses.includes(markOf(run))),
  /** Nothing has run without an intent that is older than its outcome. */
  'intent comes first': ({ witnesses, runsOf, entriesOf }) =>
    witnesses.filter((mark) => {
      const id = runsOf(mark)[0]?.id ?? '';
      const [intent] = entriesOf(id, 'run.intent');
      return !intent || entriesOf(id, 'run.outcome').some(({ seq }) => seq < intent.seq);
    }),
  'ended exactly once': ({ runs, entries, entriesOf }) =>
    [...new Set([...runs.map(({ id }) => id), ...entries.filter(isAboutRuns).map(({ subject }) => subject)])].filter(
      (id) => entriesOf(id, 'run.intent').length !== 1 || entriesOf(id, 'run.outcome').length !== 1,
    ),
  /** The log tells the same end as the run. */
  'audited as it ended': ({ runs, entriesOf }) =>
    runs.filter(({ id, outcome }) =>
      entriesOf(id, 'run.outcome').some(({ details }) => (details['outcome'] as { kind: string }).kind !== outcome?.kind),
    ),
  'nothing is open': ({ runs }) => runs.filter(({ status, finishedAt }) => OPEN.includes(status) || finishedAt === null),
  'numbered without gaps': ({ entries }) => entries.filter(({ seq }, place) => seq !== place + 1),
  'the chain holds': ({ entries }) =>
    entries.filter((entry, place) => entry.previousHash !== (entries[place - 1]?.hash ?? GENESIS_HASH) || auditHash(entry) !== entry.hash),
  /** What was refused left nothing in the world; in the store at most a run that says so, or that nobody can vouch for. */
  'refused never ran': ({ operations, witnesses, runsOf }) =>
    operations
      .filter(({ outcome }) => outcome === 'rejected')
      .filter(({ mark }) => witnesses.includes(mark) || runsOf(mark).some(({ status }) => !['rejected', 'lost'].includes(status))),
  /** Asked again, an operation that nobody answered either is one ended run, or never was. */
  'unknown is resolved': ({ operations, witnesses, runsOf }) =>
    operations
      .filter(({ outcome }) => outcome === 'unknown')
      .filter(({ mark }) => runsOf(mark).length > 1 || (runsOf(mark).length === 0 && witnesses.includes(mark))),
} as const satisfies Record<string, (past: Past) => readonly Subject[]>;

type Subject = string | Operation | RunSummary | AuditEntry;

/** History and remains, with the questions that the rules ask. */
interface Past extends Remains {
  readonly operations: readonly Operation[];
  readonly run: (id: string) => RunSummary | undefined;
  readonly runsOf: (mark: string) => readonly RunSummary[];
  readonly entriesOf: (runId: string, action: AuditAction) => readonly AuditEntry[];
}

/** Holds what clients saw against what is left. Empty: the history is sound. */
export function checkHistory(operations: readonly Operation[], remains: Remains): Violation[] {
  const byId = new Map(remains.runs.map((run) => [run.id, run]));
  const byMark = Map.groupBy(remains.runs, markOf);
  const bySubject = Map.groupBy(remains.entries, ({ subject, action }) => `${action} ${subject}`);
  const past: Past = {
    ...remains,
    operations,
    run: (id) => byId.get(id),
    runsOf: (mark) => byMark.get(mark) ?? [],
    entriesOf: (id, action) => bySubject.get(`${action} ${id}`) ?? [],
  };
  return Object.entries(RULES).flatMap(([rule, breaks]: [string, (past: Past) => readonly Subject[]]) =>
    breaks(past).map((subject) => ({ rule: rule as RuleName, subject: nameOf(subject) })),
  );
}

function named(operations: readonly Operation[]): (Operation & { readonly runId: string })[] {
  return operations.flatMap(({ runId, ...rest }) => (runId === undefined ? [] : [{ ...rest, runId }]));
}

function hasEnded(status: RunStatus | undefined): boolean {
  return status !== undefined && !OPEN.includes(status);
}

function isAboutRuns({ action }: AuditEntry): boolean {
  return action === 'run.intent' || action === 'run.outcome';
}

/** Commands of these tests that take a mark leave it behind when they run. */
function isWitness({ args }: RunSummary): boolean {
  return typeof args['mark'] === 'string';
}

function markOf({ args }: RunSummary): string {
  return String(args['mark']);
}

function nameOf(subject: Subject): string {
  if (typeof subject === 'string') return subject;
  if ('mark' in subject) return subject.mark;
  return 'seq' in subject ? `entry ${subject.seq}` : subject.id;
}
