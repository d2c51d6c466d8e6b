import { resolve } from 'node:path';
import type { Settings } from './config/settings.schema.js';

/** What no program of the catalogue has any business with. */
export function ownFiles({ DATA_DIR, LOG_DIR }: Pick<Settings, 'DATA_DIR' | 'LOG_DIR'>): string[] {
  return [DATA_DIR, ...(LOG_DIR === undefined ? [] : [LOG_DIR]), '.env', 'sallyport.yaml'].map((path) => resolve(path));
}
