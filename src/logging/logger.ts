import { isatty } from 'node:tty';
import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Settings } from '../config/settings.schema.js';
import { currentInstant } from '../config/system-clock.js';
import type { Redaction } from '../redaction/redaction.js';
import { LineBlocks } from './line-blocks.js';
import { openLog } from './log-file.js';

/** Injection token of the product's log. */
export const LOGGER_TOKEN = Symbol('logger');

/** The product's log: JSON lines (`pretty` for people, by default on a terminal), times as ISO-8601 UTC. */
export function createLogger(
  { LOG_LEVEL, LOG_FORMAT }: Pick<Settings, 'LOG_LEVEL' | 'LOG_FORMAT'>,
  { fd, redaction }: { readonly fd: 1 | 2; readonly redaction: Redaction },
): Logger {
  const options = {
    level: LOG_LEVEL,
    base: null,
    messageKey: 'message',
    timestamp: () => `,"time":"${currentInstant()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: { streamWrite: (line: string) => redactLine(line, redaction) },
  };
  const format = LOG_FORMAT ?? (isatty(fd) ? 'pretty' : 'json');
  if (format === 'json')
    return pino(
      options,
      LineBlocks.of(() => openLog(fd)),
    );
  return pino(options, pretty({ destination: fd, sync: true, messageKey: 'message', translateTime: 'SYS:HH:MM:ss.l' }));
}

/** What JSON lets through although terminals and readers of lines obey it. */
const UNESCAPED = /[\u007f-\u009f\u2028\u2029]/g;

/** A line in which nothing could be masked stays the text that it is. */
function redactLine(line: string, redaction: Redaction): string {
  if (!redaction.mayMatch(line)) return line;
  const text = JSON.stringify(redaction.data(JSON.parse(line)));
  return `${text.replace(UNESCAPED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
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
