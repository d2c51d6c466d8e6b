import { Agent, get } from 'node:http';
import { childrenOf, residentBytes } from '../fixtures/fixture.js';

const MIB = 1024 ** 2;
const LOOK_EVERY_MS = 20;
const ASK_EVERY_MS = 10;

/** How much the gateway and its executor hosts have grown, in MiB. */
export interface Growth {
  readonly gateway: number;
  /** Of the host that has grown most. */
  readonly host: number;
}

/** What a gateway starts itself are its hosts. Calls `during`, and gives the most that a gateway and each of its executor hosts have grown meanwhile. */
export async function growthDuring(gatewayPid: number, during: () => Promise<void>): Promise<Growth> {
  const hosts = childrenOf(gatewayPid);
  if (hosts.length === 0) throw new Error('the gateway has no executor hosts');
  const before = new Map([gatewayPid, ...hosts].map((pid) => [pid, residentBytes(pid)]));
  const most = new Map(before);
  const look = () => before.forEach((_bytes, pid) => void most.set(pid, Math.max(most.get(pid) ?? 0, residentBytes(pid))));
  const looking = setInterval(look, LOOK_EVERY_MS);
  try {
    await during();
    look();
  } finally {
    clearInterval(looking);
  }
  const grown = (pid: number) => ((most.get(pid) ?? 0) - (before.get(pid) ?? 0)) / MIB;
  return { gateway: grown(gatewayPid), host: Math.max(...hosts.map(grown)) };
}

/** Times that answers took, in milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
}

/** Asks for /health again and again over one connection while `during` lasts; rejects when an answer is none or not 200. */
export async function latencyDuring(url: string, during: () => Promise<unknown>): Promise<Latency> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  const over = new AbortController();
  const asking = (async () => {
    while (!over.signal.aborted) {
      times.push(await timeOf(`${url}/health`, agent));
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  })();
  try {
    await during();
  } finally {
    over.abort();
    await asking.finally(() => agent.destroy());
  }
  return summarised(times);
}

function timeOf(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`/health answers ${response.statusCode}`));
      response.resume().once('end', () => resolve(performance.now() - start));
    }).once('error', reject);
  });
}

function summarised(times: readonly number[]): Latency {
  const sorted = times.toSorted((one, other) => one - other);
  const at = (share: number) => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN) * 10) / 10;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) };
}
