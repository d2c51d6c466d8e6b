import { LRUCache } from 'lru-cache';
import { canSee } from '../auth/permissions.js';
import type { Catalogue } from '../commands/catalogue.js';
import { VERSION } from '../config/version.js';
import type { Command } from '../domain/command.js';
import type { Clock, EventBus } from '../domain/ports.js';
import type { Principal } from '../domain/principal.js';
import type { RunStore } from '../domain/stores.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Resilience } from '../resilience/resilience.js';
import type { Admission } from '../runs/admission.js';
import type { Dashboard } from './dashboard.schemas.js';
import { type Counts, type DayOfRuns, ENDED, RunTally } from './run-tally.js';
import { countsBy } from './snapshot.js';
import type { TrafficHistory } from './traffic-history.js';

const WINDOWS_MINUTES = [1, 5, 15];
const FRESH_MS = 1_000;
const TOP = 10;
/** Keys whose runs of today are remembered; those of others are counted anew. */
const MOST_VIEWERS = 200;

export interface DashboardRooms {
  readonly metrics: Metrics;
  readonly traffic: TrafficHistory;
  readonly runs: RunStore;
  readonly admission: Admission;
  readonly catalogue: Catalogue;
  readonly resilience: Resilience;
  readonly events: EventBus;
  readonly clock: Clock;
}

type Whole = Pick<Dashboard, 'timestamp' | 'traffic' | 'requestsInFlight' | 'limits' | 'blocked' | 'lastHour'>;

/** What somebody asked for, until it is a second old: however many ask, it is found once. */
interface Found<Value> {
  readonly value: Promise<Value>;
  readonly until: number;
}

interface Viewer {
  readonly tally: RunTally;
  day: Found<DayOfRuns> | undefined;
}

/**
 * The gateway at a glance. Numbers of the whole are for every key, as `GET /metrics` is; whatever names commands is of what the key may see
 * elsewhere: its own runs, unless it is an admin's, and breakers of commands in its scopes.
 */
export class DashboardService {
  private readonly startedAt: number;
  private readonly viewers = new LRUCache<string, Viewer>({ max: MOST_VIEWERS });
  private whole: Found<Whole> | undefined;

  constructor(private readonly rooms: DashboardRooms) {
    this.startedAt = rooms.clock.monotonic();
  }

  async describe(principal: Principal): Promise<Dashboard> {
    const { admission, catalogue, resilience, events, clock } = this.rooms;
    const isAdmin = principal.role === 'admin';
    this.whole = this.fresh(this.whole, () => this.findWhole());
    const [whole, day] = await Promise.all([this.whole.value, this.dayOf(isAdmin ? undefined : principal.id)]);
    const visible = catalogue.all().filter((command) => canSee(principal, command));
    return {
      ...whole,
      version: VERSION,
      uptimeSeconds: Math.round(clock.monotonic() - this.startedAt) / 1000,
      scope: isAdmin ? 'gateway' : 'own',
      runs: {
        ...(isAdmin ? { active: admission.active, queued: admission.queued } : admission.sharesOf(principal.id)),
        slots: admission.limits.total,
        queuePlaces: admission.limits.queue,
        ...describeDay(day),
      },
      breakers: breakersOf(visible, resilience),
      events: { received: events.traffic.eventsReceived, webSocketClients: events.traffic.webSocketClients },
      // Neither is there yet.
      captures: 0,
      templates: 0,
    };
  }

  private dayOf(principalId: string | undefined): Promise<DayOfRuns> {
    const name = principalId ?? '*';
    let viewer = this.viewers.get(name);
    if (!viewer) this.viewers.set(name, (viewer = { tally: new RunTally(this.rooms.runs, principalId), day: undefined }));
    const { tally } = viewer;
    viewer.day = this.fresh(viewer.day, () => tally.count(new Date(this.rooms.clock.now())));
    return viewer.day.value;
  }

  private async findWhole(): Promise<Whole> {
    const { metrics, traffic, clock } = this.rooms;
    const { windows, minutes } = await traffic.look(WINDOWS_MINUTES);
    const [limited, errors] = [await countsBy(metrics.rateLimited, 'scope'), await countsBy(metrics.errors, 'code')];
    const byRule = await countsBy(metrics.blockedCommands, 'rule');
    const { key = 0, address = 0, command = 0 } = limited;
    return {
      timestamp: clock.now(),
      traffic: windows.map((window, index) => ({ minutes: WINDOWS_MINUTES[index] ?? 0, ...window })),
      requestsInFlight: (await metrics.httpInFlight.get()).values[0]?.value ?? 0,
      limits: { key, address, command, budget: errors['budget_used_up'] ?? 0, busy: errors['busy'] ?? 0 },
      blocked: { total: Object.values(byRule).reduce((sum, count) => sum + count, 0), byRule },
      lastHour: [...minutes],
    };
  }

  /** One at a time, and none again within a second of its end; a failure is nothing to keep. */
  private fresh<Value>(found: Found<Value> | undefined, find: () => Promise<Value>): Found<Value> {
    if (found && this.rooms.clock.monotonic() < found.until) return found;
    const made = { value: find(), until: Infinity };
    made.value.then(
      () => (made.until = this.rooms.clock.monotonic() + FRESH_MS),
      () => (made.until = 0),
    );
    return made;
  }
}

function describeDay({ date, commands }: DayOfRuns): Pick<Dashboard['runs'], 'today' | 'topCommands'> {
  const sum = (counts: readonly Counts[], kind: keyof Counts) => counts.reduce((total, each) => total + each[kind], 0);
  const all = [...commands.values()];
  const byOutcome = Object.fromEntries(ENDED.map((kind) => [kind, sum(all, kind)])) as Dashboard['runs']['today']['byOutcome'];
  const open = sum(all, 'open');
  const topCommands = [...commands].map(([command, counts]) => {
    const ended = ENDED.reduce((total, kind) => total + counts[kind], 0);
    return { command, runs: ended + counts.open, unsuccessful: ended - counts.succeeded, open: counts.open };
  });
  return {
    today: { date, accepted: ENDED.reduce((total, kind) => total + byOutcome[kind], open), open, byOutcome },
    topCommands: topCommands.toSorted((one, other) => other.runs - one.runs || one.command.localeCompare(other.command)).slice(0, TOP),
  };
}

/** The state of each breaker that guards one of the commands. */
function breakersOf(commands: readonly Command[], { breakers }: Resilience): Dashboard['breakers'] {
  const names = new Set(commands.flatMap(({ breaker }) => breaker?.name ?? []));
  return breakers
    .all()
    .flatMap((breaker) => (names.has(breaker.policy.name) ? { name: breaker.policy.name, state: breaker.look().kind } : []));
}
