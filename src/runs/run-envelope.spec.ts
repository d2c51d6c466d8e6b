import { describe, expect, it } from '@jest/globals';
import { finished, sampleRun } from '../../test/kit/storage.js';
import type { OutputChunk } from '../domain/run.js';
import { envelope, runEnvelopeSchema, summarise, textOf } from './run-envelope.js';

const run = finished(sampleRun());

function chunks(...pieces: readonly (readonly [OutputChunk['stream'], string])[]): OutputChunk[] {
  return pieces.map(([stream, data], index) => ({ stream, seq: index + 1, data }));
}

describe('the envelope', () => {
  it('puts the pieces of each stream together in their order', () => {
    const output = chunks(['stdout', 'a'], ['stderr', 'x'], ['stdout', 'b'], ['stderr', 'y']);
    expect([textOf(output, 'stdout'), textOf(output, 'stderr')]).toEqual(['ab', 'xy']);
    expect(envelope(run, output, 'text')).toMatchObject({ stdout: 'ab', stderr: 'xy', parsed: null });
  });

  it.each([
    ['', []],
    ['one', ['one']],
    ['one\n', ['one']],
    ['one\r\ntwo\r\n', ['one', 'two']],
    ['one\n\n', ['one', '']],
    ['\n', ['']],
  ])('parses lines of %j', (stdout, parsed) => {
    expect(envelope(run, chunks(['stdout', stdout]), 'lines').parsed).toEqual(parsed);
  });

  it.each([
    ['{"a":[1,null]}\n', { a: [1, null] }],
    ['null', null],
    ['', null],
    ['{"a":', null],
    ['warning: x\n{}', null],
  ])('parses JSON of %j, and gives null where it is none', (stdout, parsed) => {
    expect(envelope(run, chunks(['stdout', stdout]), 'json').parsed).toEqual(parsed);
  });

  it('says whose run it is by the id of the key, and is as the schema promises', () => {
    const told = envelope(run, [], 'lines');
    expect(told.keyId).toBe(run.principalId);
    expect(told).not.toHaveProperty('commandVersion');
    expect(told).not.toHaveProperty('principalId');
    expect(runEnvelopeSchema.parse(told)).toEqual(told);
    expect(summarise(run)).not.toHaveProperty('stdout');
  });
});
