import { type RunOptions, runProgram } from '../support/program.ts';

/** Runs a command to its end. */
export async function outcomeOf(args: readonly string[], env: RunOptions['env'] = {}) {
  const program = await runProgram(args, { env });
  const { code } = await program.waitForExit();
  return { code, stdout: program.stdout.join('\n'), stderr: program.stderr.join('\n') };
}
