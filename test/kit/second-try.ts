import { readFileSync } from 'node:fs';
import { expect, jest } from '@jest/globals';

// What runs whole programs, or goes by the clock, may once be late on a busy machine. It has a second try, and the reporter names it; what fails
// twice fails. Not for properties, whose next try has other input, not for torture, and not where a mistake was planted.
const { testPath = '' } = expect.getState();
const isOfPrograms = testPath.endsWith('.e2e-spec.js');
const isByTheClock = testPath.endsWith('.spec.js') && !readFileSync(testPath, 'utf8').includes("from 'fast-check'");
if ((isOfPrograms || isByTheClock) && process.env['PLANTED'] === undefined) jest.retryTimes(1, { logErrorsBeforeRetry: true });
