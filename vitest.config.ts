import { defineConfig } from 'vitest/config';
import PlainReporter from './tools/plain-reporter.ts';

export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts', 'tools/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Tests start real servers and runners: processes, not threads, and no more at once than there are cores.
    pool: 'forks',
    reporters: ['default', new PlainReporter()],
  },
});
