// What a program costs, as Linux accounts for it in /proc, and what a contender does under load.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** USER_HZ, in which /proc counts time, whatever the kernel's own tick is. */
const MS_PER_TICK = 10;
/** What was under way when the load ended comes to its end, and its children are reaped. */
const SETTLE_MS = 100;

/** The fields of proc(5) `stat` from the third on; the second, a name, may hold spaces and brackets. */
function statOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const [, ppid, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [utime, stime, cutime, cstime] = rest.slice(9, 13).map((ticks) => Number(ticks) * MS_PER_TICK);
  return { ppid: Number(ppid), ownMs: utime + stime, reapedMs: cutime + cstime, startedAt: rest[17] };
}

/** The process and those it has started that live, as `{pid, startedAt}`. The start time tells it from a later one of the same number. */
export function familyOf(pid) {
  const children = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((entry) => parentOf(entry) === pid)
    .map(Number);
  return [pid, ...children].map((member) => ({ pid: member, startedAt: statOf(member).startedAt }));
}

function parentOf(pid) {
  try {
    return statOf(pid).ppid;
  } catch {
    return undefined; // Gone meanwhile.
  }
}

export function isAlive({ pid, startedAt }) {
  try {
    return statOf(pid).startedAt === startedAt;
  } catch {
    return false;
  }
}

/** CPU time of the processes and of all their children that have ended, in milliseconds. Throws when one of them is gone. */
export function cpuMs(family) {
  let total = 0;
  for (const { pid } of family) {
    const { ownMs, reapedMs } = statOf(pid);
    total += ownMs + reapedMs;
  }
  return total;
}

/** Memory in MB (10⁶ bytes): `rss` of the first process, `pss` (shared pages divided by their users) of all. */
export function memoryOf(family) {
  const sizes = family.map(({ pid }) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
    const megabytes = (name) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024) / 1e6;
    return { rss: megabytes('Rss'), pss: megabytes('Pss') };
  });
  return { rss: sizes[0].rss, pss: sizes.reduce((sum, { pss }) => sum + pss, 0) };
}

/**
 * One round of one contender at so many connections. Checks an answer before and after; throws when one is not as expected.
 * Each connection has a request under way when the time is over: those cost CPU and are counted for it, though not for the rate.
 */
export async function measure(contender, { load, connections, seconds, signal }) {
  const { family } = contender.server;
  await contender.check(signal);
  const before = { server: cpuMs(family), load: statOf('self').reapedMs };
  const result = await load.run(contender, { connections, seconds, signal });
  const loadMs = statOf('self').reapedMs - before.load;
  await sleep(SETTLE_MS, undefined, { signal });
  const serverMs = cpuMs(family) - before.server;
  await contender.check(signal);
  return {
    contender: contender.name,
    connections,
    answered: result.requests,
    rate: result.requests / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuMsPerRequest: serverMs / (result.requests + connections),
    serverCores: serverMs / 1000 / result.seconds,
    loadCores: loadMs / 1000 / result.seconds,
    ...memoryOf(family),
  };
}

/** The load begins so long before the probe, and goes on after it. */
const LEAD_MS = 300;

/**
 * What one caller who asks the light contender now and then sees, with nothing else to do and beside the load of the heavy one.
 * @returns `{light, idle, beside, heavy}`: the name of the light contender, results of the probe and of the load generator
 */
export async function measureBeside({ light, heavy }, { load, connections, seconds, signal }) {
  const ask = () => load.probe(light, { seconds, signal });
  const idle = await ask();
  const [heavyResult, beside] = await Promise.all([
    load.run(heavy, { connections, seconds: seconds + 1, signal }),
    sleep(LEAD_MS, undefined, { signal }).then(ask),
  ]);
  await sleep(SETTLE_MS, undefined, { signal });
  return { light: light.name, idle, beside, heavy: heavyResult };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}
