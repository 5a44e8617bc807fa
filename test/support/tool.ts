import { type Command, runCommand } from '../../src/runtime/command.ts';

/** Runs a development tool as the npm script of this name, and ends the process with the tool's exit code. */
export async function runTool(script: string, command: Command): Promise<never> {
  const args = [script, ...process.argv.slice(2)];
  const commands = { [script]: async () => ({ command }) };
  process.exit(await runCommand(commands, { name: 'npm run', args }));
}
