import { isatty } from 'node:tty';
import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Settings } from '../config/settings.schema.js';
import { currentInstant } from '../config/system-clock.js';
import type { Clock } from '../domain/ports.js';
import type { Redaction } from '../redaction/redaction.js';
import { LineBlocks } from './line-blocks.js';
import { tameJson } from './json-text.js';
import { openLog } from './log-file.js';
import type { LineSink, LogOutlet } from './log-outlet.js';
import { RequestLog } from './request-log.js';

/** Injection token of the product's log. */
export const LOGGER_TOKEN = Symbol('logger');

/** What the product logs with. */
export interface Logs {
  readonly logger: Logger;
  /** Takes the line of each request, as JSON. */
  readonly requests: LineSink;
  /** The places that lines go to, as far as they are looked after. */
  readonly outlets: readonly LogOutlet[];
}

interface LogOptions {
  readonly fd: 1 | 2;
  readonly redaction: Redaction;
}

/** The logs of a server: what it says of itself, and a line a request, in files of its own where LOG_DIR is set. */
export interface ServerLogs extends Logs {
  start(): void;
  /** Lines that come later are still written when the process exits. */
  stop(): Promise<void>;
}

export function createServerLogs(
  settings: Pick<Settings, 'LOG_LEVEL' | 'LOG_FORMAT' | 'LOG_DIR' | 'LOG_KEEP_DAYS' | 'LOG_KEEP_BYTES'>,
  { clock, ...options }: LogOptions & { readonly clock: Clock },
): ServerLogs {
  const outlets: LogOutlet[] = [];
  const logger = createLogger(settings, options, (outlet) => outlets.push(outlet));
  if (settings.LOG_DIR === undefined) return { ...logsThrough(logger), outlets, start: () => undefined, stop: () => Promise.resolve() };
  const requests = new RequestLog(settings.LOG_DIR, settings, clock, logger);
  outlets.push(requests.outlet);
  return { logger, requests, outlets, start: () => requests.start(), stop: () => requests.stop() };
}

/** Lines of requests go where the others go. */
export function logsThrough(logger: Logger): Logs {
  const stream = (logger as unknown as Readonly<Record<symbol, { write(line: string): unknown }>>)[pino.symbols.streamSym];
  return { logger, requests: { write: (line) => void stream?.write(line) }, outlets: [] };
}

/** The product's log: JSON lines (`pretty` for people, by default on a terminal), times as ISO-8601 UTC. */
export function createLogger(
  { LOG_LEVEL, LOG_FORMAT }: Pick<Settings, 'LOG_LEVEL' | 'LOG_FORMAT'>,
  { fd, redaction }: LogOptions,
  onOpen: (outlet: LogOutlet) => void = () => undefined,
): Logger {
  const options = {
    level: LOG_LEVEL,
    base: null,
    messageKey: 'message',
    timestamp: () => `,"time":"${currentInstant()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: { streamWrite: (line: string) => safeLine(line, redaction) },
  };
  const format = LOG_FORMAT ?? (isatty(fd) ? 'pretty' : 'json');
  if (format === 'pretty')
    return pino(options, pretty({ destination: fd, sync: true, messageKey: 'message', translateTime: 'SYS:HH:MM:ss.l' }));
  const open = () => {
    const file = openLog(fd);
    onOpen(file);
    return file;
  };
  return pino(options, LineBlocks.of(open));
}

/** Masked, and harmless to terminals and readers of lines. */
function safeLine(line: string, redaction: Redaction): string {
  if (!redaction.mayMatch(line)) return tameJson(line);
  return `${tameJson(JSON.stringify(redaction.data(JSON.parse(line))))}\n`;
}

/** Nest's own messages, in our log. Its start-up chatter is debug to an operator. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.logger.debug({ nest: rest.at(-1) }, String(message));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn({ nest: rest.at(-1) }, String(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.logger.error({ nest: rest.at(-1), err: message instanceof Error ? message : undefined }, String(message));
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.logger.fatal({ nest: rest.at(-1) }, String(message));
  }
}
