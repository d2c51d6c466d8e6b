import { describe, expect, it } from '@jest/globals';
import { STEPS } from './run.service.js';

describe('the path', () => {
  it('has these steps in this order: nothing is carried out before it is allowed, checked and recorded', () => {
    expect(STEPS).toEqual([
      'resolve',
      'authorise',
      'recogniseRepeat',
      'checkArguments',
      'applyPolicy',
      'admit',
      'recordIntent',
      'awaitApproval',
      'execute',
      'recordOutcome',
      'announce',
    ]);
  });
});
