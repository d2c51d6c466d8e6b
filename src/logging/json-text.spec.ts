import { describe, expect, it } from '@jest/globals';
import { tameJson } from './json-text.js';

describe('JSON for a log', () => {
  it('means the same, and holds nothing that a terminal or a reader of lines obeys', () => {
    const text = Array.from({ length: 0x2100 }, (_, code) => String.fromCharCode(code)).join('');
    const tame = tameJson(JSON.stringify({ text }));
    expect(JSON.parse(tame)).toEqual({ text });
    expect(tame).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
  });
});
