import { describe, expect, it } from '@jest/globals';
import { examineClock, examineNode } from './host-checks.js';

describe('the clock', () => {
  const now = Date.UTC(2026, 5, 1, 12);
  const weights = (lastEntryAt: string | undefined, at = now) => examineClock(lastEntryAt, at).map(({ weight }) => weight);

  it('is right when it shows a time after the newest entry, or one just before', () => {
    expect(weights(undefined)).toEqual(['ok']);
    expect(weights('2026-06-01T11:59:00.000Z')).toEqual(['ok']);
    expect(weights('2026-06-01T12:00:59.000Z')).toEqual(['ok']);
  });

  it('is told to be behind when the audit log was written later', () => {
    expect(weights('2026-06-01T12:01:01.000Z')).toEqual(['warning']);
  });

  it('is wrong when it shows a time before there was a gateway', () => {
    expect(weights(undefined, 0)).toEqual(['failure']);
  });
});

describe('this Node', () => {
  it('is new enough', () => {
    expect(examineNode().weight).toBe('ok');
  });
});
