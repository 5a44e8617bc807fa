import { existsSync } from 'node:fs';
import { cleanEnv } from 'envalid';
import { UserError } from '../runtime/failure.ts';
import { attempting } from './attempting.ts';
import { connections } from './connections.ts';
import { consuming } from './consuming.ts';
import { operating } from './operating.ts';

/** Every setting, by its env name: the same word in the code, in `.env` and in the README. */
export const specifications = { ...connections, ...consuming, ...attempting, ...operating };

export type Settings = ReturnType<typeof parse> & {
  /** The ones that were set, to tell a default from a wish. */
  readonly isSet: (name: keyof typeof specifications) => boolean;
};

/**
 * The settings of this process: its environment, and `.env` of the working folder for what that does not have.
 * A real variable wins, also an empty one; empty means unset.
 *
 * @throws {UserError} with every problem at once, each with its setting's name.
 */
export function readSettings(): Settings {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return settingsFrom(process.env);
}

/** The environment as it is, for programs that we start. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** The same as `readSettings` for any environment. */
export function settingsFrom(environment: Record<string, string | undefined>): Settings {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''),
  );
  const values = parse(given);
  const problems = contradictions(values);
  if (problems.length > 0) throw invalid(problems);
  const isSet: Settings['isSet'] = (name) => given[name] !== undefined;
  if (isSet('BATCH_SIZE') && !isSet('CONCURRENCY')) values.CONCURRENCY = values.BATCH_SIZE!;
  values.DLQ_STREAM_NAME ??= `${values.STREAM_NAME}_DLQ`;
  return { ...values, isSet };
}

function parse(given: Record<string, string | undefined>) {
  // Copied out of envalid's proxy, which throws on every name it does not know.
  return {
    ...cleanEnv(given, specifications, {
      reporter: ({ errors }) => {
        const problems = Object.entries(errors).map(([name, error]) => `${name}: ${error?.message}`);
        if (problems.length > 0) throw invalid(problems);
      },
    }),
  };
}

function contradictions(values: ReturnType<typeof parse>): string[] {
  const problems: string[] = [];
  if (values.ACK_WAIT_MS < 2 * values.ATTEMPT_TIMEOUT_MS) {
    problems.push(
      `ACK_WAIT_MS: ${values.ACK_WAIT_MS} is less than twice ATTEMPT_TIMEOUT_MS (${values.ATTEMPT_TIMEOUT_MS}); ` +
        `set ACK_WAIT_MS=${2 * values.ATTEMPT_TIMEOUT_MS} or more, or a shorter ATTEMPT_TIMEOUT_MS`,
    );
  }
  if (values.BACKOFF_MAX_MS < values.BACKOFF_BASE_MS) {
    problems.push(
      `BACKOFF_MAX_MS: ${values.BACKOFF_MAX_MS} is less than BACKOFF_BASE_MS (${values.BACKOFF_BASE_MS})`,
    );
  }
  if (values.NATS_PASS !== undefined && values.NATS_USER === undefined) {
    problems.push('NATS_PASS: is set without NATS_USER');
  }
  if (values.DLQ_STREAM_NAME === values.STREAM_NAME) {
    problems.push('DLQ_STREAM_NAME: must not be STREAM_NAME');
  }
  return problems;
}

function invalid(problems: readonly string[]): UserError {
  const lines = problems.map((problem) => `  ${problem}`).join('\n');
  return new UserError(`${problems.length === 1 ? 'A setting is' : 'Settings are'} wrong:\n${lines}`);
}
