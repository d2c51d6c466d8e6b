import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Collector, startCollector, stopCollectors } from './kit/collector.js';
import { type Caller, startGateway, stopGateways } from './kit/gateway.js';
import { refuses, says, startLlm } from './kit/llm-peer.js';
import { Peer } from './kit/peer.js';

const words = 'words of a caller';
let [service, model, collector, caller] = [] as unknown as [Peer, Peer, Collector, Caller];

beforeAll(async () => {
  const llm = await startLlm();
  [service, model, collector] = [await Peer.start(), llm.peer, await startCollector()];
  const param = { summary: 'x', effect: 'read', params: { value: { type: 'string' } } };
  const http = { url: `${service.url}/items/{value}?q={value}`, privateRanges: ['127.0.0.1'] };
  const gateway = await startGateway({
    commands: { item: { ...param, http }, ask: { ...param, llm: { prompt: '{value}' } } },
    settings: { ...llm.settings, ...collector.settings },
  });
  caller = await gateway.as('operator');
});
afterAll(async () => {
  await stopGateways();
  await Promise.all([stopCollectors(), service.stop(), model.stop()]);
});

let traces = 0;
async function traced(command: string, ...spans: readonly string[]) {
  const id = (++traces).toString(16).padStart(32, 'b');
  await caller.post('/run', { command, args: { value: words } }, { traceparent: `00-${id}-b7ad6b7169203331-01` });
  return { id, trace: await collector.trace(id, 'POST /run', `run ${command}`, ...spans) };
}

describe('the trace of a run that asks somebody outside', () => {
  it('has the call as a span of its own, which the service continues', async () => {
    const { id, trace } = await traced('item', 'GET');
    const call = trace.one('GET');
    expect(trace.path(call).join(' > ')).toBe('POST /run > run item > run.execute > GET');
    expect(call).toMatchObject({ kind: 'client', isError: false });
    expect(call.attributes).toMatchObject({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': service.port,
    });
    expect(service.received.at(-1)?.headers['traceparent']).toBe(`00-${id}-${call.spanId}-01`);
    service.behave = (response) => response.writeHead(503).end();
    const failed = (await traced('item', 'GET')).trace.one('GET');
    expect([failed.isError, failed.attributes['error.type'], failed.attributes['http.response.status_code']]).toEqual([true, '503', 503]);
  });

  it('has the question to a model, whose provider learns nothing of the trace', async () => {
    const { trace } = await traced('ask', 'chat peer-model');
    const chat = trace.one('chat peer-model');
    expect(trace.path(chat).join(' > ')).toBe('POST /run > run ask > run.execute > chat peer-model');
    expect(chat.kind).toBe('client');
    expect(chat.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'default',
      'gen_ai.request.model': 'peer-model',
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.usage.output_tokens': 3,
    });
    expect(Object.keys(model.received.at(-1)?.headers ?? {}).filter((name) => name.startsWith('trace'))).toEqual([]);
    model.behave = refuses(500);
    const failed = (await traced('ask', 'chat peer-model')).trace.one('chat peer-model');
    expect([failed.isError, failed.attributes['error.type']]).toEqual([true, '500']);
    model.behave = says(['x']);
  });

  it('holds nothing of what was asked and answered', () => {
    const sent = collector.bytes.toString('latin1');
    expect(sent).toContain('chat peer-model');
    for (const text of [words, encodeURIComponent(words), '/items/', 'Hello, ']) expect(sent).not.toContain(text);
  });
});
