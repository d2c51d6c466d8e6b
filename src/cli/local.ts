import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../app.module.js';
import { loadSettings } from '../config/settings.js';
import type { Settings } from '../config/settings.schema.js';
import { Gateway } from '../gateway.js';
import { loadRedaction } from '../load-redaction.js';
import { createLogger, NestLogger } from '../logging/logger.js';

/** The rooms without their HTTP doors, on this host's DATA_DIR. */
export interface LocalRooms {
  readonly context: INestApplicationContext;
  readonly gateway: Gateway;
}

/**
 * Lends the rooms to `work` and stops them afterwards, however it ends. Only warnings are logged: the output belongs to the command.
 * @param instead settings that take the place of those that are loaded
 */
export async function withLocalRooms<T>(work: (rooms: LocalRooms) => Promise<T>, instead: Partial<Settings> = {}): Promise<T> {
  const loaded = loadSettings();
  const settings = { ...loaded.settings, ...instead };
  const logger = createLogger(
    { LOG_LEVEL: settings.LOG_LEVEL === 'info' ? 'warn' : settings.LOG_LEVEL, LOG_FORMAT: settings.LOG_FORMAT },
    { fd: 2, redaction: loadRedaction(settings) },
  );
  const context = await NestFactory.createApplicationContext(AppModule.register({ ...loaded, settings, logger, ownsProcess: true }), {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  const gateway = context.get(Gateway);
  try {
    return await work({ context, gateway });
  } finally {
    await gateway.stop();
    await context.close();
  }
}
