import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { encodeInstruction, lineMistake, readLine } from './framing.js';

const JSON_LINES = { kind: 'json' } as const;
const readJson = (text: string) => readLine(JSON_LINES, 'run_1', Buffer.from(text), true);

describe('the framing of lines', () => {
  it('ends an answer at the terminator, which is none of it, and nowhere else', () => {
    const framing = { kind: 'line', terminator: 'END' } as const;
    const isEnd = (line: string, isWhole = true) => readLine(framing, 'run_1', Buffer.from(line), isWhole);
    for (const line of ['END\n', 'END\r\n', 'END']) expect(isEnd(line)).toEqual({ kind: 'answer', output: '', isEnd: true });
    for (const line of ['END \n', ' END\n', 'end\n', 'ENDEND\n', '\n']) expect(isEnd(line)).toMatchObject({ isEnd: false });
    expect(isEnd('END\n', false)).toMatchObject({ isEnd: false });
    expect(readLine(framing, undefined, Buffer.from('END\n'), true)).toEqual({ kind: 'noise' });
  });

  it('takes no instruction that would be two', () => {
    const framing = { kind: 'line', terminator: null } as const;
    for (const text of ['a\nb', 'a\r', '\n', 'a\0b']) expect(lineMistake(framing, text)).toBeDefined();
    expect(lineMistake(framing, 'one line')).toBeUndefined();
    expect(lineMistake(JSON_LINES, 'a\nb')).toBeUndefined();
  });
});

describe('the framing of JSON', () => {
  it('carries any instruction in one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const line = encodeInstruction(JSON_LINES, 'run_1', text).toString();
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(JSON.parse(line)).toEqual({ id: 'run_1', instruction: text });
      }),
    );
  });

  it.each([
    ['{"id":"run_1","output":"part"}', { kind: 'answer', output: 'part', isEnd: false }],
    ['{"id":"run_1","output":"all","done":true,"more":1}', { kind: 'answer', output: 'all', isEnd: true }],
    ['{"id":"run_1","done":true}', { kind: 'answer', output: '', isEnd: true }],
    ['{"id":"run_1","output":{"sum":5},"done":true}', { kind: 'answer', output: '{"sum":5}', isEnd: true }],
    ['{"id":"run_1","error":"no"}', { kind: 'failure', error: 'no' }],
    ['{"id":"run_0","output":"late","done":true}', { kind: 'noise' }],
    ['', { kind: 'noise' }],
    ['{"id":"run_1"}', { kind: 'malformed' }],
    ['{"id":1,"output":"x"}', { kind: 'malformed' }],
    ['{"id":"run_1","output":"x","done":"yes"}', { kind: 'malformed' }],
    ['[1]', { kind: 'malformed' }],
    ['null', { kind: 'malformed' }],
    ['hello', { kind: 'malformed' }],
  ])('reads %s', (text, reading) => {
    expect(readJson(text)).toEqual(reading);
  });

  it('reads whatever comes without failing, and takes nothing without the id for an answer', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(['noise', 'malformed']).toContain(readJson(text).kind);
      }),
    );
  });
});
