import type { Logger } from 'pino';
import { localOrigin, type ReloadService } from './reload.service.js';

const LOOK_EVERY_MS = 1_000;
/** Files that have changed are looked at so soon again; unchanged since, they are taken to be whole. */
const SETTLE_MS = 200;
/** Files that never rest are read at last, whatever they say. */
const MOST_UNSETTLED_LOOKS = 30;

/** Looks at the files of settings and catalogue once a second, and takes over what has changed and has come to rest. */
export class ConfigWatch {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private last: string | undefined;
  private unsettledLooks = 0;
  private stopped = false;

  constructor(
    private readonly reloads: ReloadService,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.wait(LOOK_EVERY_MS);
  }

  /** Works after half a start, and more than once. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
  }

  private wait(forMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.looking = this.look().then((again) => this.wait(again));
    }, forMs).unref();
  }

  /** Never rejects. @returns when to look again, milliseconds */
  private async look(): Promise<number> {
    try {
      const look = await this.reloads.look();
      if (this.reloads.isKnown(look)) return this.rest();
      const settled = look.text === this.last;
      this.last = look.text;
      if (!settled && ++this.unsettledLooks < MOST_UNSETTLED_LOOKS) return this.unsettledLooks < 5 ? SETTLE_MS : LOOK_EVERY_MS;
      await this.reloads.reload(localOrigin('watch'));
    } catch (error) {
      // The reload has told of it, in log, metrics and health.
      this.logger.debug({ err: error }, 'changed files were not taken over');
    }
    return this.rest();
  }

  private rest(): number {
    this.last = undefined;
    this.unsettledLooks = 0;
    return LOOK_EVERY_MS;
  }
}
