import type { Logger } from 'pino';
import type { AuditLog } from '../domain/audit-log.js';
import type { Db, Write } from '../domain/db.js';
import type { ErrorCode } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { PrincipalId } from '../domain/principal.js';
import type { Metrics } from '../metrics/metrics.js';

/** A request that left no entry of its own. */
export interface UnrecordedRequest {
  readonly principalId: PrincipalId;
  readonly method: string;
  /** The template, never the address as it was sent. */
  readonly route: string;
  readonly status: number;
  readonly code: ErrorCode | undefined;
  readonly address: string;
  readonly requestId: string;
}

/** So many have entries of their own at once, and so many a second from then on. */
const BURST = 100;
const EACH_SECOND = 1;
/** Entries gather for so long before they are written. */
const GATHER_MS = 50;
/** What comes beyond the rate is joined for so long. */
const WINDOW_MS = 10_000;
const MOST_GROUPS = 64;
const MOST_ADDRESSES = 8;
const RETRY_MS = 1_000;

interface Group {
  readonly first: UnrecordedRequest;
  readonly addresses: Set<string>;
  readonly since: string;
  until: string;
  count: number;
}

interface LedgerRooms {
  readonly audit: AuditLog;
  readonly db: Db;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/**
 * Writes refusals down without anybody's waiting for it: they have no effect, so nothing needs to be durable before their answer. A flood
 * of them neither fills the disk nor the memory: beyond a rate like is joined with like, and the counts add up to what there was.
 */
export class RefusalLedger {
  private waiting: Write[] = [];
  private readonly groups = new Map<string, Group>();
  private tokens = BURST;
  private refilledAt: number;
  private flushing: NodeJS.Timeout | undefined;
  private window: NodeJS.Timeout | undefined;
  private underWay: Promise<void> = Promise.resolve();

  constructor(private readonly rooms: LedgerRooms) {
    this.refilledAt = rooms.clock.monotonic();
  }

  /** Returns at once. */
  note(request: UnrecordedRequest): void {
    this.rooms.metrics.auditRequests.inc();
    if (this.waiting.length < BURST && this.takeToken()) {
      this.waiting.push(this.written(request, { address: request.address, count: 1 }));
      this.flushing ??= setTimeout(() => void this.flush(), GATHER_MS).unref();
    } else {
      this.join(request);
      this.window ??= setTimeout(() => void this.closeWindow(), WINDOW_MS).unref();
    }
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    clearTimeout(this.window);
    await this.underWay;
    this.waiting.push(...this.joined());
    await this.flush();
    clearTimeout(this.flushing);
    if (this.waiting.length > 0) this.rooms.logger.error({ entries: this.waiting.length }, 'refusals could not be recorded before the end');
  }

  private takeToken(): boolean {
    const now = this.rooms.clock.monotonic();
    this.tokens = Math.min(BURST, this.tokens + ((now - this.refilledAt) / 1000) * EACH_SECOND);
    this.refilledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  private join(request: UnrecordedRequest): void {
    const { principalId, method, route, status, code, address } = request;
    let key = JSON.stringify([principalId, method, route, status, code]);
    let first = request;
    if (!this.groups.has(key) && this.groups.size >= MOST_GROUPS) {
      key = JSON.stringify([status, code]);
      first = { ...request, principalId: 'several', method: '*', route: '*' };
    }
    const now = this.rooms.clock.now();
    const group = this.groups.get(key) ?? { first, addresses: new Set(), since: now, until: now, count: 0 };
    group.count += 1;
    group.until = now;
    if (group.addresses.size < MOST_ADDRESSES) group.addresses.add(address);
    this.groups.set(key, group);
  }

  /** While the store takes nothing, groups grow in their counts alone. */
  private async closeWindow(): Promise<void> {
    this.window = undefined;
    await this.underWay;
    if (this.waiting.length < BURST) {
      this.waiting.push(...this.joined());
      await this.flush();
    } else {
      this.window ??= setTimeout(() => void this.closeWindow(), WINDOW_MS).unref();
    }
  }

  private joined(): Write[] {
    const groups = [...this.groups.values()];
    this.groups.clear();
    return groups.map(({ first, addresses, since, until, count }) =>
      this.written(first, { addresses: [...addresses], count, since, until }),
    );
  }

  private written(request: UnrecordedRequest, more: Readonly<Record<string, unknown>>): Write {
    const { principalId, method, route, status, code, requestId } = request;
    return this.rooms.audit.appended({
      action: status < 400 ? 'request.answered' : 'request.refused',
      principalId,
      subject: `${method} ${route}`,
      requestId,
      details: { method, route, status, code, ...more },
    });
  }

  private flush(): Promise<void> {
    return (this.underWay = this.underWay.then(() => this.write()));
  }

  /** Never rejects. What the store did not take is tried again; where it was in doubt, it may stand there twice. */
  private async write(): Promise<void> {
    clearTimeout(this.flushing);
    this.flushing = undefined;
    const writes = this.waiting;
    if (writes.length === 0) return;
    this.waiting = [];
    try {
      await this.rooms.db.commit(writes);
    } catch {
      // The store tells its trouble by itself.
      this.waiting = [...writes, ...this.waiting];
      this.flushing ??= setTimeout(() => void this.flush(), RETRY_MS).unref();
    }
  }
}
