import { type ParseArgsConfig, parseArgs } from 'node:util';
import { didYouMean } from './closest.ts';
import { type DurationUnit, parseDuration } from './duration.ts';
import { errorCode, errorMessage, UserError } from './failure.ts';
import { dropUnreadOutput } from './output.ts';
import { VERSION } from './version.ts';

/** A command of the program. Its module exports it as `command`. */
export interface Command {
  /** One line, for the list of commands. */
  readonly summary: string;
  /**
   * The text that `--help` prints below the summary: usage, each flag with unit and default, examples. The program's name is put
   * before lines that begin with the command's own name (usage and examples), so that they work when they are pasted.
   */
  readonly help: string;
  /** Resolves to the exit code. Throws a UserError for a problem that the user can cure. */
  run(args: string[]): Promise<number>;
}

type Commands = Record<string, () => Promise<{ readonly command: Command }>>;

type Invocation = {
  /** The name of the program in its texts. */
  readonly name: string;
  readonly args: readonly string[];
};

/** The exit code for wrong flags, as in most shell tools. */
const USAGE_EXIT_CODE = 2;

const OWN_FLAGS = ['--help', '-h', '--version', '-V'];

/** Runs the command that the arguments name, prints its error if it fails, and resolves to the exit code. */
export async function runCommand(commands: Commands, { name, args }: Invocation): Promise<number> {
  dropUnreadOutput();
  // `help publish` is `publish --help`.
  const [first, ...rest] = args[0] === 'help' ? [...args.slice(1, 2), '--help'] : args;
  try {
    if (first === undefined || first === '--help' || first === '-h')
      return await listCommands(commands, name);
    if (first === '--version' || first === '-V') {
      process.stdout.write(`${VERSION}\n`);
      return 0;
    }
    const load = commands[first];
    if (load === undefined) throw unknownWord(first, Object.keys(commands), name);
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

/** The error if the first argument is neither a command nor a flag of the program itself. */
function unknownWord(word: string, commands: readonly string[], name: string): UserError {
  const isFlag = word.startsWith('-');
  const text = isFlag
    ? `There is no flag "${word}" before a command.${didYouMean(word, OWN_FLAGS)} The commands are`
    : `There is no command "${word}".${didYouMean(word, commands)} The commands are`;
  return new UserError(`${text} ${commands.join(', ')}; "${name} --help" describes them.`, {
    exitCode: USAGE_EXIT_CODE,
  });
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
  process.stdout.write(`Usage: ${name} <command> [flags]\n\n`);
  for (const [commandName, load] of Object.entries(commands)) {
    const { command } = await load();
    process.stdout.write(`  ${commandName.padEnd(width)}  ${command.summary}\n`);
  }
  process.stdout.write(
    '\n<command> --help shows the flags of a command. --version, or -V, prints the version.\n',
  );
  return 0;
}

/**
 * Parses flags with parseArgs of `node:util`.
 *
 * @throws {UserError} that names the flag that is unknown, or that lacks its value.
 */
export function parseFlags<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!errorCode(error)?.startsWith('ERR_PARSE_ARGS')) throw error;
    const unknown = errorCode(error) === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? unknownFlag(config) : undefined;
    throw new UserError(`${unknown ?? (error as Error).message} (--help shows the flags)`, {
      exitCode: USAGE_EXIT_CODE,
    });
  }
}

function unknownFlag(config: ParseArgsConfig): string | undefined {
  const known = Object.keys(config.options ?? {});
  const { tokens } = parseArgs({ ...config, strict: false, tokens: true });
  const found = tokens.find((token) => token.kind === 'option' && !known.includes(token.name));
  if (found?.kind !== 'option') return undefined;
  const flags = [...known, 'help'].map((name) => `--${name}`);
  return `There is no flag ${found.rawName}.${didYouMean(found.rawName, flags)}`;
}

/** Parses a flag as a whole number. @throws {UserError} that names flag and range. */
export function wholeNumberFlag(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UserError(`--${name}: "${text}" is not a whole number from ${min} to ${max}`, {
    exitCode: USAGE_EXIT_CODE,
  });
}

/**
 * Parses a flag as a duration: a number in `unit`, or with a unit of its own, such as `2s`.
 *
 * @throws {UserError} that names flag and range.
 */
export function durationFlag(
  name: string,
  text: string,
  { unit = 'milliseconds', min, max }: { unit?: DurationUnit; min: number; max: number },
): number {
  try {
    return parseDuration(text, { unit, min, max, whole: true });
  } catch (error) {
    throw new UserError(`--${name}: ${errorMessage(error)}`, { exitCode: USAGE_EXIT_CODE });
  }
}
