import { rm } from 'node:fs/promises';
import { afterAll, onTestFinished, TestRunner } from 'vitest';
import { makeFolder } from './folders.ts';

type CleanUp = () => unknown;

const ofFile: CleanUp[] = [];

// When vitest is stopped or killed, the processes that run the test files continue. Each of them ends here, and its servers and
// programs end with it.
process.once('disconnect', () => process.exit(1));

// Every test file loads this module again, so this hook runs at the end of that file.
afterAll(async () => {
  for (const cleanUp of ofFile.splice(0).reverse()) await cleanUp();
});

/**
 * Calls `cleanUp` at the end of the current test, passed or failed, in reverse order of registration. Outside a test (such as in
 * `beforeAll`) and in concurrent tests, it is called at the end of the test file. Not always at the end of the file: the last of
 * twenty tests would run beside twenty idle workers and servers, and would be too slow on two cores.
 */
export function cleanUpAfter(cleanUp: CleanUp): void {
  const test = TestRunner.getCurrentTest();
  // Among concurrent tests, vitest may report another one as the current test.
  if (test === undefined || test.concurrent) ofFile.push(cleanUp);
  else onTestFinished(async () => void (await cleanUp()));
}

/** An empty folder, which is removed at the end of its test or of the test file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await makeFolder();
  cleanUpAfter(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
