/** Tests run on compiled JavaScript (`.test-build`), as the product does: what tsc emits is what is tried. */
export default {
  roots: ['<rootDir>/.test-build'],
  testMatch: ['**/*.spec.js', '**/*.e2e-spec.js'],
  testEnvironment: 'node',
  transform: {},
  setupFiles: ['<rootDir>/.test-build/test/kit/jest-setup.js'],
  setupFilesAfterEnv: ['<rootDir>/.test-build/test/kit/second-try.js'],
  reporters: ['default', '<rootDir>/.test-build/test/kit/second-try-reporter.js'],
  testTimeout: 30_000,
  maxWorkers: 2,
  coverageProvider: 'v8',
  collectCoverageFrom: ['.test-build/src/**/*.js', '!**/*.spec.js'],
};
