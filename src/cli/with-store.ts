import type { LocalRooms } from './local.js';

/** Lends the rooms of this host with their store open. They are loaded only where they are needed: a server is called without them. */
export async function withStore<T>(work: (rooms: LocalRooms) => Promise<T>): Promise<T> {
  const { withLocalRooms } = await import('./local.js');
  return withLocalRooms(async (rooms) => {
    await rooms.gateway.openStore();
    return work(rooms);
  });
}
