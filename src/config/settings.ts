import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { type CleanedEnv, customCleanEnv } from 'envalid';
import { errorMessage, UserError } from '../runtime/failure.ts';
import { access } from './access.ts';
import { api } from './api.ts';
import { attempts } from './attempts.ts';
import { capacity } from './capacity.ts';
import { connections } from './connections.ts';
import { consumer } from './consumer.ts';
import { operation } from './operation.ts';
import { orderedBeside, ordering } from './ordering.ts';
import { withNamesOfOthers } from './other-systems.ts';
import { outbox } from './outbox.ts';
import { registry } from './registry.ts';
import { withNewNames } from './renamed.ts';
import { type SettingWarning, warningsOf } from './warnings.ts';

/** Every setting, by its env name: the same word in the code, in `.env` and in docs/settings.md. */
export const specifications = {
  ...connections,
  ...consumer,
  ...attempts,
  ...capacity,
  ...ordering,
  ...registry,
  ...access,
  ...outbox,
  ...operation,
  ...api,
};

type Values = Pick<CleanedEnv<typeof specifications>, keyof typeof specifications>;

type Derived = 'DLQ_STREAM_NAME' | 'PARKED_STREAM_NAME' | 'ORDERED_STREAM_NAME' | 'ORDERED_SUBJECT';

export type Settings = Omit<Values, Derived> & {
  readonly DLQ_STREAM_NAME: string;
  readonly PARKED_STREAM_NAME: string;
  readonly ORDERED_STREAM_NAME: string;
  /** Empty: nothing is delivered in order. */
  readonly ORDERED_SUBJECT: readonly string[];
  /** True if the setting was set: it does not have its default. */
  readonly isSet: (name: keyof typeof specifications) => boolean;
  /** The text of each setting that was set, by its present name. */
  readonly written: Readonly<Record<string, string>>;
  /** Variables with the old name of a setting, or with a name that no setting has. */
  readonly warnings: readonly SettingWarning[];
};

type Given = Readonly<Record<string, string | undefined>>;

const FILE = '.env';

/**
 * The settings of this process, from its environment and from `.env` in the working folder. A variable of the environment wins,
 * also an empty one. An empty value counts as not set.
 *
 * @throws {UserError} that lists all problems, each with the name of its setting.
 */
export function readSettings(): Settings {
  const file = readFile();
  const environment = { ...process.env };
  const { given } = withNewNames(environment);
  // Programs that this process starts also get the values of the file.
  for (const [name, value] of Object.entries(file)) {
    if (given[name] === undefined) process.env[name] ??= value;
  }
  return settingsFrom(environment, file);
}

function readFile(): Given {
  if (!existsSync(FILE)) return {};
  try {
    return parseEnv(readFileSync(FILE, 'utf8'));
  } catch (error) {
    throw new UserError(
      `The file .env in the working folder cannot be read: ${errorMessage(error)}. Correct it, or remove it.`,
      { cause: error },
    );
  }
}

/** The environment as it is, for programs that this process starts. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** The same as `readSettings` for any environment and any values of a file. The environment wins. */
export function settingsFrom(environment: Given, file: Given = {}): Settings {
  const sources = [withNewNames(file), withNewNames(environment)];
  const merged = Object.fromEntries(
    sources.flatMap((source) => Object.entries(source.given)).filter(([, value]) => value !== undefined),
  );
  const given = Object.fromEntries(
    Object.entries(withNamesOfOthers(merged)).filter(([, value]) => value?.trim() !== ''),
  );
  const names = Object.keys(specifications) as (keyof typeof specifications)[];
  const warnings = warningsOf(names, environment, file);
  const { values, problems } = parse(given);
  problems.push(...sources.flatMap((source) => source.problems), ...contradictions(values, given));
  if (problems.length > 0) throw invalid(problems, warnings);
  const isSet: Settings['isSet'] = (name) => given[name] !== undefined;
  return {
    ...values,
    CONCURRENCY: isSet('CONCURRENCY') ? values.CONCURRENCY : (values.BATCH_SIZE ?? values.CONCURRENCY),
    MAX_ATTEMPTS: isSet('MAX_ATTEMPTS') ? values.MAX_ATTEMPTS : attemptsOf(values),
    ...derivedNames(values),
    ORDERED_SUBJECT: values.ORDERED_SUBJECT ?? orderedBeside(values.SUBJECT),
    isSet,
    written: Object.fromEntries(names.flatMap((name) => (isSet(name) ? [[name, given[name]!]] : []))),
    warnings,
  };
}

/** A schedule says how many attempts there are, unless MAX_ATTEMPTS is set. */
function attemptsOf({ MAX_ATTEMPTS, RETRY_SCHEDULE }: Values): number {
  return RETRY_SCHEDULE === undefined ? MAX_ATTEMPTS : RETRY_SCHEDULE.length + 1;
}

function derivedNames({ STREAM_NAME, DLQ_STREAM_NAME, PARKED_STREAM_NAME, ORDERED_STREAM_NAME }: Values) {
  return {
    DLQ_STREAM_NAME: DLQ_STREAM_NAME ?? `${STREAM_NAME}_DLQ`,
    PARKED_STREAM_NAME: PARKED_STREAM_NAME ?? `${STREAM_NAME}_PARKED`,
    ORDERED_STREAM_NAME: ORDERED_STREAM_NAME ?? `${STREAM_NAME}_ORDERED`,
  };
}

/** A setting with a problem has no value in `values`. */
function parse(given: Given): { values: Values; problems: string[] } {
  const problems: string[] = [];
  // Not `cleanEnv`: its proxy throws on every name that envalid does not know.
  const values = customCleanEnv(given, specifications, (cleaned) => ({ ...cleaned }), {
    reporter: ({ errors }) => {
      for (const [name, error] of Object.entries(errors)) problems.push(`${name}: ${error?.message}`);
    },
  });
  return { values, problems };
}

/** Settings that contradict each other. A setting with a problem of its own is left out. */
function contradictions(values: Partial<Values>, given: Given): string[] {
  const problems: string[] = [];
  const { ACK_WAIT_MS = Number.POSITIVE_INFINITY, ATTEMPT_TIMEOUT_MS = 0 } = values;
  if (ACK_WAIT_MS < 2 * ATTEMPT_TIMEOUT_MS) {
    problems.push(
      `ACK_WAIT_MS: ${ACK_WAIT_MS} is less than twice ATTEMPT_TIMEOUT_MS (${ATTEMPT_TIMEOUT_MS}); ` +
        `set ACK_WAIT_MS=${2 * ATTEMPT_TIMEOUT_MS} or more, or a shorter ATTEMPT_TIMEOUT_MS`,
    );
  }
  const { BACKOFF_MAX_MS = Number.POSITIVE_INFINITY, BACKOFF_BASE_MS = 0 } = values;
  if (BACKOFF_MAX_MS < BACKOFF_BASE_MS) {
    problems.push(
      `BACKOFF_MAX_MS: ${BACKOFF_MAX_MS} is less than BACKOFF_BASE_MS (${BACKOFF_BASE_MS}); ` +
        `set BACKOFF_MAX_MS=${BACKOFF_BASE_MS} or more, or a shorter BACKOFF_BASE_MS`,
    );
  }
  if (given.NATS_PASS !== undefined && given.NATS_USER === undefined) {
    problems.push('NATS_PASS: is set without NATS_USER; set both, or neither');
  }
  if ((given.NATS_TLS_CERT === undefined) !== (given.NATS_TLS_KEY === undefined)) {
    problems.push('NATS_TLS_CERT: needs NATS_TLS_KEY, and the other way round; set both, or neither');
  }
  const logins = ['NATS_USER', 'NATS_TOKEN', 'NATS_CREDS', 'NATS_NKEY'].filter(
    (name) => given[name] !== undefined,
  );
  if (logins.length > 1) problems.push(`${logins[0]}: ${logins.join(', ')} are set; set only one of them`);
  if (values.STREAM_NAME !== undefined) problems.push(...sameNames(values as Values));
  return problems;
}

/** The four streams must have different names. */
function sameNames(values: Values): string[] {
  const names = Object.entries({ STREAM_NAME: values.STREAM_NAME, ...derivedNames(values) });
  return names.flatMap(([setting, name], index) =>
    names
      .slice(0, index)
      .filter(([, other]) => other === name)
      .map(
        ([other]) =>
          `${setting}: must not be ${other}; leave it empty for <STREAM_NAME>_${setting.slice(0, setting.indexOf('_'))}`,
      ),
  );
}

/** The error for all problems. The warnings follow, because a mistyped name may be the cause. */
function invalid(problems: readonly string[], warnings: readonly SettingWarning[]): UserError {
  const lines = [...problems, ...warnings.map(({ hint }) => hint)].map((line) => `\n  ${line}`).join('');
  return new UserError(`${problems.length === 1 ? 'A setting is' : 'Settings are'} wrong:${lines}`);
}
