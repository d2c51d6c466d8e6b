import { pino } from 'pino';
import { lineCount, type LogOutlet, MOST_WAITING } from './log-outlet.js';

/** Where JSON lines go, as pino wants it. */
export interface LogFile extends LogOutlet {
  write(text: string): void;
  flush(): void;
  flushSync(): void;
}

/**
 * Writes in the background, and what waits when the process exits. A log that cannot be written (a full disk, a reader that left) stops
 * nothing: its lines wait, bounded, and are lost in the end. What must not be lost stands in the audit log.
 */
export function openLog(fd: 1 | 2): LogFile {
  const destination = pino.destination({
    fd,
    sync: false,
    maxLength: MOST_WAITING,
  });
  const state: { failure: string | undefined; linesLost: number } = { failure: undefined, linesLost: 0 };
  let givenUp = false;
  destination.on('write', () => (state.failure = undefined));
  destination.on('error', (error: NodeJS.ErrnoException) => (state.failure = error.code ?? 'it failed unexpectedly'));
  destination.on('drop', (text: string) => (state.linesLost += lineCount(text)));
  // Else pino's last flush would be tried for ever, or throw.
  const giveUp = () => {
    if (state.failure === undefined || givenUp) return;
    givenUp = true;
    destination.destroy();
  };
  process.once('beforeExit', giveUp);
  return {
    log: 'application',
    get failure() {
      return state.failure;
    },
    get linesLost() {
      return state.linesLost;
    },
    write: (text) => {
      if (!givenUp) destination.write(text);
    },
    flush: () => {
      if (!givenUp) destination.flush();
    },
    flushSync: () => {
      try {
        if (!givenUp) destination.flushSync();
      } catch {
        state.failure = 'it failed unexpectedly';
        giveUp();
      }
    },
  };
}
