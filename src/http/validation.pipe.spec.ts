import { describe, expect, it } from '@jest/globals';
import type { PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { GatewayError } from '../domain/errors.js';
import { checked } from './validation.pipe.js';

const schema = z.strictObject({ name: z.string(), inner: z.strictObject({ list: z.array(z.int()) }).optional() });

function mistakesOf(value: unknown): unknown {
  const [pipe] = checked(schema).pipes ?? [];
  try {
    (pipe as PipeTransform).transform(value, { type: 'body' });
    return [];
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'invalid_request') return error.extra.errors;
    throw error;
  }
}

describe('a request that does not match its schema', () => {
  it('is told every mistake with its place', () => {
    expect(mistakesOf({ inner: { list: [1, 'x'] } })).toEqual([
      { path: 'name', message: 'required' },
      { path: 'inner.list.1', message: expect.stringContaining('expected') },
    ]);
  });

  it('is told of fields that are not known, but not what stands in odd ones', () => {
    const secret = ['hunter', '2 !'].join('');
    expect(mistakesOf({ name: 'x', naem: 1, [secret]: 2, inner: { list: [], extra: 3 } })).toEqual([
      { path: 'inner.extra', message: 'is not a field of this request' },
      { path: 'naem', message: 'is not a field of this request' },
      { path: '?', message: 'is not a field of this request' },
    ]);
  });

  it('is told a bounded number of mistakes', () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`field${index}`, 1]));
    expect(mistakesOf({ name: 'x', ...many })).toHaveLength(20);
  });
});
