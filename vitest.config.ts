import { configDefaults, defineConfig } from 'vitest/config';

/** They build an image and run the compose files for minutes, on a Docker engine: only where that is asked for. */
const containers = process.env.TEST_CONTAINERS === '1' ? [] : ['test/containers/**'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...containers],
    globalSetup: ['test/support/global-setup.ts'],
    // Most files wait for servers and child processes rather than compute.
    maxWorkers: 4,
    // Real servers and child processes: generous, because no test asserts a time.
    testTimeout: 60_000,
    // What fails once is broken. A fault of a real server is tried again where it is met, by its name.
    retry: 0,
    hookTimeout: 120_000,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text', 'html'] },
  },
});
