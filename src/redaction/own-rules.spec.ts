import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DETECTORS } from './detectors.js';
import { readOwnRules } from './own-rules.js';
import { Redaction } from './redaction.js';

function redactionOf(...rules: readonly object[]): Redaction {
  const { detectors, mistakes } = readOwnRules({ rules });
  expect(mistakes).toEqual([]);
  return new Redaction(
    [...DETECTORS, ...detectors],
    detectors.map(({ kind }) => kind),
  );
}

const EMPLOYEE = { name: 'employee', pattern: 'EMP-[0-9]{6}' };

describe("operators' own rules", () => {
  it.each([
    [EMPLOYEE, 'by EMP-123456.', 'by «redacted:employee».'],
    [EMPLOYEE, 'EMP-1234567, xEMP-123456 and EMP-12345', 'EMP-1234567, xEMP-123456 and EMP-12345'],
    [{ name: 'ticket', pattern: 'ACME\\.[a-f]{2,4}-\\d?' }, 'ACME.abc-7 ACME.a-', '«redacted:ticket» ACME.a-'],
    [{ name: 'token', pattern: 'acme_[A-Za-z0-9]{8}[A-Za-z0-9]+' }, 'acme_abcd1234567890 ok', '«redacted:token» ok'],
    [
      { name: 'case_id', pattern: 'NR \\d{4}', near: ['patient', 'case'] },
      'patient NR 1234; item\nNR 1234',
      'patient «redacted:case_id»; item\nNR 1234',
    ],
  ])('%j masks', (rule, text, masked) => {
    expect(redactionOf(rule).text(text).text).toBe(masked);
  });

  it('give the same for any split, and once more', () => {
    const redaction = redactionOf(EMPLOYEE, { name: 'token', pattern: 'acme_[a-z]{2,9}\\d+' });
    const piece = fc.constantFrom('EMP-123456', 'acme_abc123', 'EMP-', '12', ' ', '\n', 'acme_', 'a@b.io', '«redacted:employee»');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), fc.integer({ min: 1, max: 7 }), (pieces, size) => {
        const text = pieces.join('');
        const redactor = redaction.redactor();
        const parts = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
        const masked = parts.map((part) => redactor.push(part)).join('') + redactor.end();
        expect(masked).toBe(redaction.text(text).text);
        expect(redaction.text(masked)).toEqual({ text: masked, count: 0 });
      }),
    );
  });

  it.each([
    ['(a+)+b', 'character 1'],
    ['EMP.*', 'character 4'],
    ['EMP|ABC', 'character 4'],
    ['^EMP1', 'character 1'],
    ['EM[0-9]', 'fixed characters'],
    ['EMP[0-9]{2,4}[0-5]', 'several lengths'],
    ['EMP[a-z]+1', '"+" before its end'],
    ['EMP[^a]', 'character 4'],
    ['EMP[0-9]{9,2}', 'matches nothing'],
    ['EMP[0-9]{999}', 'more than 512'],
  ])('refuses %s', (pattern, why) => {
    const { mistakes } = readOwnRules({ rules: [{ name: 'mine', pattern }] });
    expect(mistakes).toEqual([{ path: 'rules.0.pattern', message: expect.stringContaining(why) }]);
  });

  it('refuses what it does not know', () => {
    expect(readOwnRules({ rules: [{ ...EMPLOYEE, mask: 'x' }] }).mistakes).toHaveLength(1);
    expect(readOwnRules({ rules: [{ ...EMPLOYEE, name: 'No Name' }] }).mistakes).toHaveLength(1);
    expect(readOwnRules(null).mistakes).toHaveLength(1);
  });

  it('take linear time', () => {
    const redaction = redactionOf({ name: 'token', pattern: 'acme_[A-Za-z0-9_-]{400}' });
    const text = `${'-acme_'.repeat(60)} `.repeat(1_000);
    const before = process.cpuUsage();
    expect(redaction.text(text).count).toBe(0);
    const { user } = process.cpuUsage(before);
    expect(user / 1_000).toBeLessThan(2_000);
  });
});
