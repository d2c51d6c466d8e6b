import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { buildConnector } from 'undici';
import type { TargetRules } from '../domain/outgoing.js';
import { addressJudge } from './url-rules.js';

/** Finds all addresses of a name. */
export type Resolve = (name: string, callback: (error: NodeJS.ErrnoException | null, found?: readonly LookupAddress[]) => void) => void;

/** As the system resolves names: hosts file, then servers. */
export const systemResolve: Resolve = (name, callback) => lookup(name, { all: true }, callback);

/** What became of the one connection that a connector makes. */
export interface ConnectionTrail {
  refused: boolean;
  connected: boolean;
}

export interface ConnectorOptions {
  readonly rules: TargetRules;
  readonly resolve: Resolve;
  readonly connectMs: number;
  readonly trail: ConnectionTrail;
}

/**
 * Connects to addresses that were judged, and to no other: the name is looked up once, the whole answer is judged, and the socket gets
 * those addresses. A name that leads elsewhere a moment later (DNS rebinding) is not asked again.
 */
export function guardedConnector(
  build: typeof buildConnector,
  { rules, resolve, connectMs, trail }: ConnectorOptions,
): buildConnector.connector {
  const connect = build({ timeout: connectMs, allowH2: false, maxCachedSessions: 0, lookup: judgedLookup(rules, resolve, trail) });
  return (options, callback) =>
    connect(options, (...[error, socket]) => {
      if (error) return callback(error, null);
      trail.connected = true;
      callback(null, socket);
    });
}

/** One address of the wrong kind spoils the answer: a name that leads to both sides is no name to be trusted. */
function judgedLookup(rules: TargetRules, resolve: Resolve, trail: ConnectionTrail): LookupFunction {
  const isOpen = addressJudge(rules);
  return (name, { all }, callback) =>
    resolve(name, (error, found = []) => {
      const [first] = found;
      if (error || !first) return callback(error ?? coded('ENOTFOUND'), []);
      trail.refused = !found.every(({ address }) => isOpen(address));
      if (trail.refused) return callback(coded('EACCES'), []);
      return all ? callback(null, [...found]) : callback(null, first.address, first.family);
    });
}

function coded(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}
