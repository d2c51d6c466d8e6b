import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { where } from './where.js';

export const KIT = 'deploy/monitoring';
/** As Debian calls it. */
const ALERTMANAGER = 'prometheus-alertmanager';

const missing = ['prometheus', 'promtool', ALERTMANAGER, 'amtool'].filter((tool) => spawnSync(tool, ['--version']).status !== 0);

/** Tests against the real Prometheus and Alertmanager. */
export const withPrometheus = where(missing.length === 0, `${missing.join(', ')} not installed`);

const alive = new Set<ChildProcess>();

/** Ends what tests started. */
export async function stopTools(): Promise<void> {
  await Promise.all(
    [...alive].map(async (tool) => {
      if (tool.exitCode !== null || tool.signalCode !== null) return;
      tool.kill('SIGKILL');
      await once(tool, 'exit');
    }),
  );
  alive.clear();
}

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [at: number, value: string];
}

interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

interface Places {
  /** Empty, to be filled. */
  readonly folder: string;
  /** Port of the gateway. */
  readonly gateway: number;
  /** Port for the Alertmanager. */
  readonly alertmanager: number;
}

/** A real Prometheus with the kit's own configuration and rules, in a hurry: seconds instead of minutes, so that a test can wait for them. */
export class Prometheus {
  private constructor(private readonly url: string) {}

  static async start({ folder, gateway, alertmanager }: Places): Promise<Prometheus> {
    const port = await freePort();
    cpSync(join(KIT, 'prometheus'), folder, { recursive: true });
    for (const file of readdirSync(join(folder, 'rules'))) hurry(join(folder, 'rules', file));
    const addresses: Record<string, string> = {
      'localhost:9090': `127.0.0.1:${port}`,
      'sallyport:8080': `127.0.0.1:${gateway}`,
      'alertmanager:9093': `127.0.0.1:${alertmanager}`,
    };
    const config = join(folder, 'prometheus.yml');
    const text = Object.entries(addresses).reduce((all, [theirs, ours]) => all.replaceAll(theirs, ours), readFileSync(config, 'utf8'));
    writeFileSync(config, text.replaceAll(/(scrape_interval|scrape_timeout|evaluation_interval): \d+s/g, '$1: 500ms'));
    const flags = ['--config.file', config, '--storage.tsdb.path', join(folder, 'data'), '--web.listen-address', `127.0.0.1:${port}`];
    return new Prometheus(await started('prometheus', [...flags, '--enable-feature=exemplar-storage'], port));
  }

  /** @throws Error when Prometheus does not take the expression */
  async query(expression: string): Promise<readonly Sample[]> {
    return (await this.ask<{ result: readonly Sample[] }>('query', { query: expression })).result;
  }

  /** Series with exemplars, of the last minute. */
  async exemplars(
    query: string,
  ): Promise<readonly { readonly exemplars: readonly { readonly labels: Readonly<Record<string, string>> }[] }[]> {
    const now = Date.now() / 1000;
    return this.ask('query_exemplars', { query, start: String(now - 60), end: String(now + 1) });
  }

  async rules(): Promise<readonly Rule[]> {
    return (await this.ask<{ groups: readonly { readonly rules: readonly Rule[] }[] }>('rules', {})).groups.flatMap(({ rules }) => rules);
  }

  private async ask<Data>(path: string, parameters: Record<string, string>): Promise<Data> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const answer = (await response.json()) as { status: string; error?: string; data: Data };
    if (answer.status !== 'success') throw new Error(`${parameters['query'] ?? path}: ${answer.error ?? 'failed'}`);
    return answer.data;
  }
}

/** A real Alertmanager with the kit's routes, whose receivers are at `receiver`. */
export async function startAlertmanager(folder: string, port: number, receiver: string): Promise<void> {
  const config = join(folder, 'alertmanager.yml');
  const text = readFileSync(join(KIT, 'alertmanager/alertmanager.yml'), 'utf8').replaceAll('http://alert-receiver:9095', receiver);
  writeFileSync(config, text.replaceAll(/(group_wait|group_interval): \d+[sm]/g, '$1: 1s'));
  const flags = ['--config.file', config, '--storage.path', join(folder, 'alerts'), '--cluster.listen-address='];
  await started(ALERTMANAGER, [...flags, '--web.listen-address', `127.0.0.1:${port}`], port);
}

/** Where it listens, once it is ready. */
async function started(file: string, flags: readonly string[], port: number): Promise<string> {
  const tool = spawn(file, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  alive.add(tool);
  let said = '';
  tool.stderr.setEncoding('utf8').on('data', (text: string) => void (said += text));
  const url = `http://127.0.0.1:${port}`;
  try {
    await eventually(async () => (await fetch(`${url}/-/ready`)).ok, 20_000, 50);
  } catch (cause) {
    throw new Error(`${file} does not come up: ${said}`, { cause });
  }
  return url;
}

/** Windows of rates, and the times that conditions must hold: shorter, but what comes of a thing is still told later than the thing. */
function hurry(file: string): void {
  const rules = parse(readFileSync(file, 'utf8')) as { groups: { rules: { expr: string; for?: string; keep_firing_for?: string }[] }[] };
  for (const rule of rules.groups.flatMap((group) => group.rules)) {
    rule.expr = rule.expr.replaceAll(/\[\d+[mh]\]/g, '[4s]');
    if (rule.for !== undefined) rule.for = rule.for === '30s' ? '500ms' : '2s';
    if (rule.keep_firing_for !== undefined) rule.keep_firing_for = '5s';
  }
  writeFileSync(file, stringify(rules));
}

/** What the tool says, and whether it is content. */
export function tool(
  file: 'promtool' | 'amtool',
  args: readonly string[],
  input?: string,
): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', ...(input === undefined ? {} : { input }) });
  return { status, said: stdout + stderr };
}
