// Generous timeouts: the suite must pass on a slow machine with two cores that does other work too.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    globalSetup: 'test/support/build-first.mjs',
    // Processes, not worker threads: tests send signals and load native libraries.
    pool: 'forks',
    // On two cores two at a time; every job that a test starts is a process with a thread or two of its own.
    maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    // Tests of real processes share two cores with everything else; a second failure in a row is a failure.
    retry: process.env['CI'] === undefined ? 0 : 1,
    // A colour code in an expected text would depend on the terminal.
    env: { NO_COLOR: '1' },
    restoreMocks: true,
  },
});
