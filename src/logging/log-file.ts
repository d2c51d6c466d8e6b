import { pino } from 'pino';

/** Lines that wait for a log that cannot be written, in bytes; what comes beyond that is lost. */
const MOST_WAITING = 4 * 1024 ** 2;

/** Where JSON lines go, as pino wants it. */
export interface LogFile {
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
  let failing = false;
  let givenUp = false;
  destination.on('write', () => (failing = false));
  destination.on('error', () => (failing = true));
  // Else pino's last flush would be tried for ever, or throw.
  const giveUp = () => {
    if (!failing || givenUp) return;
    givenUp = true;
    destination.destroy();
  };
  process.once('beforeExit', giveUp);
  return {
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
        failing = true;
        giveUp();
      }
    },
  };
}
