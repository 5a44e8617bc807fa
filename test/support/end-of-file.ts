import { rm } from 'node:fs/promises';
import { afterAll } from 'vitest';
import { makeFolder } from './folders.ts';

type CleanUp = () => unknown;

const cleanUps: CleanUp[] = [];

// vitest ends and leaves the processes that run the files to themselves when it is stopped or killed. Their servers and
// programs end with them.
process.once('disconnect', () => process.exit(1));

// This module is loaded anew for every test file, so this is the end of that file.
afterAll(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Does `cleanUp` when the tests of this file have ended, passed or failed; the last one told comes first. */
export function atEndOfFile(cleanUp: CleanUp): void {
  cleanUps.push(cleanUp);
}

/** An empty folder, which is removed at the end of the test file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await makeFolder();
  atEndOfFile(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
