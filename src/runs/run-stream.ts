import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import type { RunEvent } from '../domain/run.js';
import { summarise } from './run-envelope.js';

const HEARTBEAT_MS = 15_000;

/** Header of an event stream that tells reverse proxies (nginx and those that follow it) to pass each event on at once. */
export const UNBUFFERED = ['x-accel-buffering', 'no'] as const;

/** Run events as Server-Sent Events (WHATWG HTML §9.2): `run.started`, `output` (id = seq), `run.finished`; a comment every 15 s. */
export function eventStream(events: AsyncGenerator<RunEvent, void, undefined>): StreamableFile {
  return framedStream(events, frame);
}

/** The same for whatever has frames, each closed by an empty line. */
export function framedStream<Event>(events: AsyncGenerator<Event, void, undefined>, frame: (event: Event) => string): StreamableFile {
  const frames = Readable.from(framesOf(events, frame), { objectMode: false, highWaterMark: 64 * 1024 });
  return new StreamableFile(frames, { type: 'text/event-stream; charset=utf-8' });
}

async function* framesOf<Event>(
  events: AsyncGenerator<Event, void, undefined>,
  frame: (event: Event) => string,
): AsyncGenerator<string, void, undefined> {
  yield ': open\n\n';
  let next = events.next();
  try {
    for (;;) {
      const event = await within(next, HEARTBEAT_MS);
      if (event === 'late') {
        yield ': still here\n\n';
        continue;
      }
      if (event.done) return;
      yield frame(event.value);
      next = events.next();
    }
  } finally {
    // Not awaited: a generator that waits for the next event cannot return before it has come.
    void events.return();
  }
}

/** The promise's value, or `late` when it takes longer than `ms`. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([promise, new Promise<'late'>((resolve) => (timer = setTimeout(resolve, ms, 'late')))]);
  } finally {
    clearTimeout(timer);
  }
}

function frame(event: RunEvent): string {
  switch (event.kind) {
    case 'parked':
      return `event: run.awaiting_approval\ndata: ${JSON.stringify(summarise(event.run))}\n\n`;
    case 'started':
      return `event: run.started\ndata: ${JSON.stringify(summarise(event.run))}\n\n`;
    case 'output':
      return `event: output\nid: ${event.chunk.seq}\ndata: ${JSON.stringify(event.chunk)}\n\n`;
    case 'finished':
      return `event: run.finished\ndata: ${JSON.stringify(summarise(event.run))}\n\n`;
  }
}
