import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { fixture } from './fixtures/fixture.js';
import { startCollector, stopCollectors } from './kit/collector.js';
import { command, exits } from './kit/commands.js';
import { programHome, removeHomes } from './kit/program.js';

const TRACE = 'c0ffee'.padEnd(32, '1');
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const commands = { exits, 'print.env': command({ exec: [fixture('print-env')] }) };

/** Says on stderr which files of OpenTelemetry a program loads, but for the API, which prom-client asks for exemplars. */
const TELLS_LOADED = `
import { registerHooks } from 'node:module';
import { writeSync } from 'node:fs';
registerHooks({
  load(url, context, next) {
    if (/otlp-(json|protobuf)|\\/pbf\\/|@opentelemetry\\/(?!api\\/)/.test(url)) writeSync(2, 'loaded ' + url + '\\n');
    return next(url, context);
  },
});
`;

afterEach(stopCollectors);
afterAll(removeHomes);

describe('the program', () => {
  it('stopped right after an answer has sent all of its trace', async () => {
    const collector = await startCollector();
    const home = programHome({ commands, settings: collector.settings });
    const server = await home.serve();
    const caller = await server.as(home.adminKey);
    const ids = Array.from({ length: 20 }, (_, index) => index.toString(16).padStart(32, 'e'));
    await Promise.all(
      ids.map((id) => caller.post('/run', { command: 'exits', args: { code: 0 } }, { traceparent: `00-${id}-b7ad6b7169203331-01` })),
    );
    expect(await server.end('SIGTERM')).toMatchObject({ code: 0 });
    for (const id of ids) {
      const names = collector.spans.filter(({ traceId }) => traceId === id).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['POST /run', 'run exits', 'exits-with', 'run.recordOutcome']));
    }
  });

  it('run by hand continues the trace that it is started in, and hands it on', async () => {
    const collector = await startCollector();
    const home = programHome({ commands, settings: { ...collector.settings, TRACEPARENT, TRACESTATE: 'a=1' } });
    const printed = await home.run(['run', 'print.env']);
    const trace = await collector.trace(TRACE, 'sallyport run', 'run print.env', 'print-env');
    const self = trace.one('sallyport run');
    expect([self.kind, self.parentSpanId, self.traceState]).toEqual(['internal', 'b7ad6b7169203331', 'a=1']);
    expect(self.attributes).toEqual({ 'process.executable.name': 'node', 'process.pid': expect.any(Number), 'process.exit.code': 0 });
    const executor = trace.one('print-env');
    expect(trace.path(executor)).toEqual(['sallyport run', 'run print.env', 'run.execute', 'print-env']);
    expect(printed.stdout).toContain(`TRACEPARENT=00-${TRACE}-${executor.spanId}-01\n`);
    expect((await home.run(['run', 'exits', 'code=3'], { TRACEPARENT: `00-${'d'.repeat(32)}-b7ad6b7169203331-01` })).code).toBe(3);
    const failed = (await collector.trace('d'.repeat(32), 'sallyport run')).one('sallyport run');
    expect([failed.isError, failed.attributes['error.type'], failed.attributes['process.exit.code']]).toEqual([true, '3', 3]);
  });

  it('loads nothing that writes spans unless there is a collector', async () => {
    const collector = await startCollector();
    const home = programHome({ commands, settings: { NODE_OPTIONS: '--import ./tells-loaded.mjs' } });
    home.write('tells-loaded.mjs', TELLS_LOADED);
    const run = (settings: Readonly<Record<string, string>>) => home.run(['run', 'exits', 'code=0', '--json'], settings);
    const off = await run({});
    expect((JSON.parse(off.stdout) as RunEnvelope).status).toBe('succeeded');
    expect(off.stderr).not.toContain('loaded ');
    expect((await run(collector.settings)).stderr).toContain('loaded ');
    expect(collector.spans.length).toBeGreaterThan(0);
  });
});
