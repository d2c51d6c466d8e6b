import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Outbox } from './outbox.js';
import type { HostReport } from './host-protocol.js';

const MEBIBYTE = 1024 * 1024;
const output = (bytes: number): HostReport => ({ kind: 'output', id: 1, stream: 'stdout', data: Buffer.alloc(bytes) });

function openOutbox() {
  const sent: { batch: readonly HostReport[]; taken: () => void }[] = [];
  const drains = { count: 0 };
  const outbox = new Outbox(
    (batch, taken) => sent.push({ batch, taken }),
    () => drains.count++,
  );
  return { outbox, sent, drains };
}

describe('an outbox', () => {
  it('sends what one turn of the event loop brought as one batch, in order', async () => {
    const { outbox, sent } = openOutbox();
    outbox.push({ kind: 'truncated', id: 1 });
    outbox.push({ kind: 'exited', id: 1, code: 0 });
    expect(sent).toEqual([]);
    await turn();
    outbox.push({ kind: 'exited', id: 2, code: 0 });
    await turn();
    expect(sent.map(({ batch }) => batch.map((report) => report.kind))).toEqual([['truncated', 'exited'], ['exited']]);
  });

  it('sends nothing when there is nothing, and nothing twice', async () => {
    const { outbox, sent } = openOutbox();
    outbox.flush();
    outbox.push({ kind: 'truncated', id: 1 });
    outbox.flush();
    await turn();
    expect(sent).toHaveLength(1);
  });

  it('is full while the channel holds 4 MiB of output, and says once when that is over', () => {
    const { outbox, sent, drains } = openOutbox();
    outbox.push(output(3 * MEBIBYTE));
    outbox.flush();
    expect(outbox.full).toBe(false);
    outbox.push(output(2 * MEBIBYTE));
    outbox.flush();
    expect(outbox.full).toBe(true);
    sent[0]?.taken();
    expect({ full: outbox.full, drains: drains.count }).toEqual({ full: false, drains: 1 });
    sent[1]?.taken();
    expect(drains.count).toBe(1);
  });
});
