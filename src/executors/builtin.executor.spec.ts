import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { ExecutionContext } from '../domain/executor.js';
import { NO_SPAN } from '../domain/tracing.js';
import { BUILTIN_NAMES, BuiltinExecutor, type BuiltinFunction } from './builtin.executor.js';

async function call(
  name: string,
  args: Record<string, unknown>,
  options: { table?: Record<string, BuiltinFunction>; outputBytes?: number; signal?: AbortSignal } = {},
) {
  const output: Buffer[] = [];
  let truncations = 0;
  const context: ExecutionContext = {
    runId: 'run_1',
    signal: options.signal ?? new AbortController().signal,
    outputBytes: options.outputBytes ?? 1000,
    traceparent: '',
    span: NO_SPAN,
    onOutput: (_stream, data) => void output.push(data),
    onTruncated: () => void truncations++,
  };
  const end = await new BuiltinExecutor(options.table).execute({ kind: 'builtin', name, args }, context);
  return { end, text: Buffer.concat(output).toString(), truncations };
}

describe('the builtin executor', () => {
  it('greets', async () => {
    expect(await call('greet', { name: 'Ada' })).toEqual({ end: { kind: 'exited', code: 0 }, text: 'Hello, Ada.\n', truncations: 0 });
    expect((await call('greet', {})).text).toBe('Hello.\n');
  });

  it('waits for functions that take their time', async () => {
    const table: Record<string, BuiltinFunction> = {
      slow: async (_args, { write }) => {
        await Promise.resolve();
        write('done');
      },
    };
    expect((await call('slow', {}, { table })).text).toBe('done');
  });

  it('cuts output exactly at the limit and says so once', async () => {
    const table: Record<string, BuiltinFunction> = { chatter: (args, { write }) => (args['pieces'] as string[]).forEach(write) };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ maxLength: 5 })), fc.nat({ max: 20 }), async (pieces, outputBytes) => {
        const whole = pieces.map((piece) => Buffer.from(piece).toString()).join('');
        const { text, truncations } = await call('chatter', { pieces }, { table, outputBytes });
        expect(text).toBe(whole.slice(0, outputBytes));
        expect(truncations).toBe(whole.length > outputBytes ? 1 : 0);
      }),
    );
  });

  it('never calls the function of a run that was aborted before', async () => {
    expect(await call('greet', {}, { signal: AbortSignal.abort() })).toMatchObject({ end: { kind: 'failed_to_start' }, text: '' });
  });

  it('knows the names of its table only', async () => {
    expect([...BUILTIN_NAMES]).toEqual(['greet']);
    for (const name of ['constructor', '__proto__', 'toString', 'nothing'])
      await expect(call(name, {})).rejects.toMatchObject({ code: 'internal' });
  });
});
