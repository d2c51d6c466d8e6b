import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { matcherOf } from '../addresses/address-ranges.js';
import { addressBucket } from './address-bucket.js';

export interface ConnectionCapOptions {
  /** Connections that one address may have open; 0 is no cap. */
  readonly perAddress: number;
  /** Addresses and CIDR ranges that stand for many callers: no cap for them. */
  readonly exempt: readonly string[];
  onRefused(): void;
}

/**
 * Closes what an address opens beyond its share, before a byte of it is read: connections cost memory and descriptors, and no rate of
 * requests limits those over which nothing is asked. Addresses are counted as rates count them (IPv6 by /64).
 */
export function capConnections(server: Server, { perAddress, exempt, onRefused }: ConnectionCapOptions): void {
  if (perAddress === 0) return;
  const open = new Map<string, number>();
  const isExempt = matcherOf(exempt);
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    // It has gone already.
    if (remoteAddress === undefined || isExempt(remoteAddress)) return;
    const bucket = addressBucket(remoteAddress);
    const others = open.get(bucket) ?? 0;
    if (others >= perAddress) {
      onRefused();
      socket.destroy();
      return;
    }
    open.set(bucket, others + 1);
    socket.once('close', () => {
      const left = (open.get(bucket) ?? 1) - 1;
      if (left > 0) open.set(bucket, left);
      else open.delete(bucket);
    });
  });
}
