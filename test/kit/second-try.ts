import { expect, jest } from '@jest/globals';

// What runs whole programs beside one another on a busy machine may once be late. A test of that kind has a second try, and the reporter names it;
// what fails twice fails. Not for properties, whose next try has other input, and not where a mistake was planted.
const isOfPrograms = expect.getState().testPath?.endsWith('.e2e-spec.js') === true;
if (isOfPrograms && process.env['PLANTED'] === undefined) jest.retryTimes(1, { logErrorsBeforeRetry: true });
