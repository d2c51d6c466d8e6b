import type { CallLimits } from './outgoing-call.js';
import { OutgoingClient } from './outgoing-client.js';

/**
 * A client for the one service that an operator has named by its address, at that host and port and nowhere else.
 * @param address valid, `http` or `https`
 * @param privateRanges where the service may be although it is not public
 */
export function clientFor(address: string, privateRanges: readonly string[], limits: CallLimits): OutgoingClient {
  const { protocol, hostname, port } = new URL(address);
  const rules = {
    schemes: [protocol === 'https:' ? ('https' as const) : ('http' as const)],
    hosts: [hostname.replace(/^\[(.*)\]$/, '$1')],
    ports: port === '' ? [] : [Number(port)],
    privateRanges,
  };
  return new OutgoingClient(rules, limits);
}
