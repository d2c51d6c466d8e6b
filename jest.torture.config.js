import base from './jest.config.js';

/** What takes too long for every commit: `npm run test:torture`. */
export default { ...base, testMatch: ['**/test/torture/*.torture.js'], testTimeout: 10 * 60_000 };
