import type { Logger } from 'pino';
import type { Settings } from '../config/settings.schema.js';
import type { Clock } from '../domain/ports.js';
import { DailyFiles } from './daily-files.js';
import { LineBlocks } from './line-blocks.js';
import type { LineSink, LogOutlet } from './log-outlet.js';
import { RotatingFile } from './rotating-file.js';

const LOOK_EVERY_MS = 1_000;

/** `api_requests.log` in LOG_DIR. Does nothing before `start`; lines that come earlier wait. */
export class RequestLog implements LineSink {
  readonly outlet: LogOutlet;
  private readonly file: RotatingFile;
  private readonly blocks: LineBlocks;
  private looking: NodeJS.Timeout | undefined;

  constructor(folder: string, settings: Pick<Settings, 'LOG_KEEP_DAYS' | 'LOG_KEEP_BYTES'>, clock: Clock, logger: Logger) {
    this.file = new RotatingFile(new DailyFiles(folder), {
      clock,
      kept: () => ({ days: settings.LOG_KEEP_DAYS, bytes: settings.LOG_KEEP_BYTES }),
      onTrouble: (reason) => {
        if (reason === undefined) logger.info({ lines_lost: this.file.linesLost }, 'the log of the requests is written again');
        else logger.error({ reason }, 'the log of the requests cannot be written; its lines wait, and are lost when they are too many');
      },
      onPruneFailed: (error) => logger.warn({ err: error }, 'old logs of requests could not be removed'),
    });
    this.outlet = this.file;
    this.blocks = LineBlocks.of(() => this.file);
  }

  write(line: string, instant: string): void {
    if (!instant.startsWith(this.file.day) || this.file.day === '') {
      this.blocks.handOn();
      this.file.day = instant.slice(0, 10);
    }
    this.blocks.write(line);
  }

  start(): void {
    this.looking ??= setInterval(() => void this.file.look(), LOOK_EVERY_MS).unref();
    void this.file.look();
  }

  /** Everything that came so far is written, unless it cannot be. */
  async stop(): Promise<void> {
    clearInterval(this.looking);
    this.looking = undefined;
    this.blocks.handOn();
    await this.file.close();
  }
}
