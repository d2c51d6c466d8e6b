import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { redactData, redactText } from './redact-text.js';

describe('redactText', () => {
  it('counts what it masks', () => {
    expect(redactText('alice@example.com, 123-45-6789, pw', ['pass'])).toEqual({ text: '«redacted:email», «redacted:ssn», pw', count: 2 });
  });

  it('gives clean text back as it is', () => {
    expect(redactText('nothing to see')).toEqual({ text: 'nothing to see', count: 0 });
    expect(redactText('')).toEqual({ text: '', count: 0 });
  });
});

describe('redactData', () => {
  it('redacts every string at every depth, keys included, and copies the rest', () => {
    const data = { a: ['alice@example.com', 1, null, true, { b: 'ssn 123-45-6789' }], 'bob@example.com': 'x' };
    expect(redactData(data)).toEqual({ a: ['«redacted:email»', 1, null, true, { b: 'ssn «redacted:ssn»' }], '«redacted:email»': 'x' });
    expect(data.a[0]).toBe('alice@example.com');
  });

  it('loses no entry when keys become equal', () => {
    expect(redactData({ 'a@example.com': 1, 'b@example.com': 2, '«redacted:email» 2': 3 })).toEqual({
      '«redacted:email»': 1,
      '«redacted:email» 2': 2,
      '«redacted:email» 2 2': 3,
    });
  });

  it('keeps __proto__ a plain key', () => {
    const copy = redactData(JSON.parse('{"__proto__":{"mail":"alice@example.com"},"constructor":1}')) as Record<string, unknown>;
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"mail":"«redacted:email»"},"constructor":1}');
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(copy['mail']).toBeUndefined();
  });

  it('survives any depth', () => {
    const deep = JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`) as unknown;
    expect(JSON.stringify(redactData(deep))).toBe(`${'['.repeat(32)}"«too deep»"${']'.repeat(32)}`);
  });

  it('survives data that contains itself', () => {
    const data: Record<string, unknown> = { mail: 'alice@example.com' };
    data['self'] = data;
    data['list'] = [data, data];
    expect(redactData(data)).toEqual({ mail: '«redacted:email»', self: '«circular»', list: ['«circular»', '«circular»'] });
  });

  it('writes dates as JSON does', () => {
    expect(redactData({ at: new Date(0) })).toEqual({ at: '1970-01-01T00:00:00.000Z' });
  });

  it('leaves clean JSON as it was, and redacts once and for all', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (data) => {
        const once = redactData(data);
        expect(redactData(once)).toEqual(once);
        if (!/[@0-9«]|secret|slp_/i.test(JSON.stringify(data))) expect(JSON.stringify(once)).toBe(JSON.stringify(data));
      }),
    );
  });
});
