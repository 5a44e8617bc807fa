import { type ParseArgsConfig, parseArgs } from 'node:util';
import { errorCode, UserError } from './failure.ts';
import { VERSION } from './version.ts';

/** A command of the program. Its module exports it as `command`. */
export interface Command {
  /** One line, for the list of commands. */
  readonly summary: string;
  /**
   * What `--help` prints below the summary: usage, each flag with unit and default, examples. Lines that begin with the
   * command's own name, as usage and examples do, get the program's before it, so that they work as they are pasted.
   */
  readonly help: string;
  /** Resolves to the exit code. Throws a UserError for what the user can cure. */
  run(args: string[]): Promise<number>;
}

type Commands = Record<string, () => Promise<{ readonly command: Command }>>;

type Invocation = {
  /** The program's, for its texts. */
  readonly name: string;
  /** The command where none is named. */
  readonly fallback: string;
  readonly args: readonly string[];
};

/** Flags that do not fit are the user's to cure: this code, as most shells' tools have it. */
const USAGE_EXIT_CODE = 2;

/** Runs the command that the arguments name, prints what went wrong, and resolves to the exit code. */
export async function runCommand(commands: Commands, { name, fallback, args }: Invocation): Promise<number> {
  // `help publish` is `publish --help`.
  const asked = args[0] === 'help' ? [...args.slice(1, 2), '--help'] : args;
  const [first = fallback, ...rest] = asked[0]?.startsWith('-') ? [fallback, ...asked] : asked;
  try {
    if (asked[0] === '--help' || asked[0] === '-h') return await listCommands(commands, name);
    if (asked[0] === '--version') {
      process.stdout.write(`${VERSION}\n`);
      return 0;
    }
    const load = commands[first];
    if (load === undefined) {
      throw new UserError(
        `${name}: there is no command "${first}"; it has ${Object.keys(commands).join(', ')}.`,
        {
          exitCode: USAGE_EXIT_CODE,
        },
      );
    }
    const { command } = await load();
    if (rest.includes('--help') || rest.includes('-h')) {
      process.stdout.write(`${name} ${first}: ${command.summary}\n\n${helpOf(first, command, name)}\n`);
      return 0;
    }
    return await command.run(rest);
  } catch (error) {
    return report(error);
  }
}

function helpOf(first: string, { help }: Command, name: string): string {
  const ownLine = new RegExp(`^(Usage: |  (?:[A-Z_]+=\\S+ )*)(?=${first}\\b)`, 'gm');
  return help.trim().replaceAll(ownLine, (start) => `${start}${name} `);
}

function report(error: unknown): number {
  if (error instanceof UserError) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  process.stderr.write(`This is a bug, please report it: ${error instanceof Error ? error.stack : error}\n`);
  return 70;
}

async function listCommands(commands: Commands, name: string): Promise<number> {
  const width = Math.max(...Object.keys(commands).map((command) => command.length));
  process.stdout.write(`Usage: ${name} [command] [flags]; each command has --help\n\n`);
  for (const [commandName, load] of Object.entries(commands)) {
    const { command } = await load();
    process.stdout.write(`  ${commandName.padEnd(width)}  ${command.summary}\n`);
  }
  return 0;
}

/**
 * Flags by `node:util` parseArgs.
 *
 * @throws {UserError} that names the flag which is unknown, or lacks its value.
 */
export function parseFlags<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!errorCode(error)?.startsWith('ERR_PARSE_ARGS')) throw error;
    throw new UserError(`${(error as Error).message} (--help shows the flags)`, {
      exitCode: USAGE_EXIT_CODE,
    });
  }
}

/** A flag that is a whole number. @throws {UserError} that names flag and range. */
export function wholeNumberFlag(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UserError(`--${name}: "${text}" is not a whole number from ${min} to ${max}`, {
    exitCode: USAGE_EXIT_CODE,
  });
}
