import type { TestProject } from 'vitest/node';
import { startTestPostgres } from './test-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The URL of the PostgreSQL that all test files share. Each test file creates its own databases in it. */
    readonly postgresUrl: string;
  }
}

/**
 * Starts one PostgreSQL for the whole run, and returns the function that stops it. It also ends if the run is killed (see
 * supervisor.ts).
 */
export default async function setUp(project: TestProject): Promise<() => Promise<unknown>> {
  const postgres = await startTestPostgres(process.env.TEST_POSTGRES);
  console.log(`Tests run on ${postgres.description}`);
  project.provide('postgresUrl', postgres.url);
  return () => postgres.stop();
}
