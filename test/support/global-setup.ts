import type { TestProject } from 'vitest/node';
import { startTestPostgres } from './test-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the PostgreSQL that all test files share: each makes its own database in it. */
    readonly postgresUrl: string;
  }
}

/** One PostgreSQL for the whole run; returns how to stop it. A run that is killed takes it along (see keeper.ts). */
export default async function setUp(project: TestProject): Promise<() => Promise<unknown>> {
  const postgres = await startTestPostgres(process.env.TEST_POSTGRES);
  console.log(`Tests run on ${postgres.description}`);
  project.provide('postgresUrl', postgres.url);
  return () => postgres.stop();
}
