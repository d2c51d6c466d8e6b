import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { show } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { startGateway, stopGateways } from './kit/gateway.js';

afterEach(stopGateways);

const read = (path: string) => readFileSync(`deploy/logging/${path}`, 'utf8');

/** Names of the fields of a request's line, from a real one. */
async function fieldsOfALine(): Promise<string[]> {
  const lines: string[] = [];
  const gateway = await startGateway({ commands: { show }, onLog: (line) => void lines.push(line) });
  await (await gateway.as('readonly')).get('/auth/me', { 'user-agent': 'test/1' });
  const line = await eventually(() => lines.find((text) => text.includes('"/auth/me"')) ?? false);
  return Object.keys(JSON.parse(line) as object).toSorted();
}

describe('the configurations of log collectors', () => {
  it('know every field of a line, and no other', async () => {
    const fields = await fieldsOfALine();
    expect(fields).toHaveLength(12);
    const alloy = read('loki/config.alloy');
    const expressions = /expressions = \{([^}]*)\}/.exec(alloy)?.[1] ?? '';
    expect([...expressions.matchAll(/(\w+)\s+= ""/g)].map(([, name]) => name).toSorted()).toEqual(fields);
    for (const [, body = ''] of alloy.matchAll(/values = \{([^}]*)\}/g))
      for (const [, name] of body.matchAll(/(\w+) = ""/g)) expect(fields).toContain(name);
    const filebeat = [...read('elk/filebeat.yml').matchAll(/(?:from|field): sallyport\.(\w+)/g)].map(([, name]) => name);
    // These two keep their names.
    expect([...filebeat, 'latency_ms', 'message'].toSorted()).toEqual(fields);
  });

  it('can be read, and name files that there are', () => {
    const filebeat = parse(read('elk/filebeat.yml')) as { 'filebeat.inputs': { paths?: string[] }[] };
    expect(filebeat['filebeat.inputs'].flatMap(({ paths = [] }) => paths)).toEqual(['/var/log/sallyport/api_requests*.log']);
    const loki = parse(read('loki/loki.yml')) as { schema_config: { configs: { schema: string }[] } };
    expect(loki.schema_config.configs.map(({ schema }) => schema)).toEqual(['v13']);
    const alloy = read('loki/config.alloy');
    expect(alloy).toContain('__path__ = "/var/log/sallyport/api_requests.log"');
    const code = alloy.replaceAll(/\/\/.*/g, '').replaceAll(/"[^"]*"/g, '""');
    expect(code.split('{').length).toBe(code.split('}').length);
    // Whatever is forwarded to exists.
    const blocks = [...alloy.matchAll(/^([\w.]+) "(\w+)" \{/gm)].map(([, kind, label]) => `${kind}.${label}`);
    for (const [, target = ''] of alloy.matchAll(/= \[([\w.]+)\.receiver\]/g)) expect(blocks).toContain(target);
  });
});
