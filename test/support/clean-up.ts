import { rm } from 'node:fs/promises';
import { afterAll, onTestFinished, TestRunner } from 'vitest';
import { makeFolder } from './folders.ts';

type CleanUp = () => unknown;

const ofFile: CleanUp[] = [];

// vitest ends and leaves the processes that run the files to themselves when it is stopped or killed. Their servers and
// programs end with them.
process.once('disconnect', () => process.exit(1));

// This module is loaded anew for every test file, so this is the end of that file.
afterAll(async () => {
  for (const cleanUp of ofFile.splice(0).reverse()) await cleanUp();
});

/**
 * Does `cleanUp` at the end of the test that asks for it, passed or failed; the last one told comes first. Outside a test, as
 * in `beforeAll`, and in tests that run side by side, at the end of the test file. A file with twenty tests would else run
 * twenty idle workers and servers for its last one, which on two cores is then too slow.
 */
export function cleanUpAfter(cleanUp: CleanUp): void {
  const test = TestRunner.getCurrentTest();
  // Of tests that run side by side, the current one may be any of them.
  if (test === undefined || test.concurrent) ofFile.push(cleanUp);
  else onTestFinished(async () => void (await cleanUp()));
}

/** An empty folder, which is removed when its test, or the test file, is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await makeFolder();
  cleanUpAfter(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
