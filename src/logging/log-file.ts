import { pino } from 'pino';

/** Lines that wait for a log that cannot be written, in bytes; what comes beyond that is lost. */
const MOST_WAITING = 4 * 1024 ** 2;

type Destination = ReturnType<typeof pino.destination>;

/**
 * Where JSON lines go: written in the background; what waits is written when the process exits. A log that cannot be written (a full disk, a reader that left) stops nothing: its lines wait, bounded, and
 * are lost in the end. What must not be lost stands in the audit log.
 */
export function openLog(fd: 1 | 2): Destination {
  const destination = pino.destination({
    fd,
    sync: false,
    maxLength: MOST_WAITING,
  });
  let failing = false;
  destination.on('write', () => (failing = false));
  destination.on('error', () => (failing = true));
  // Pino's last flush would be tried for ever, or throw.
  process.once('beforeExit', () => {
    if (failing) destination.destroy();
  });
  const flushSync = destination.flushSync.bind(destination);
  destination.flushSync = () => {
    try {
      flushSync();
    } catch {
      failing = true;
    }
  };
  return destination;
}
