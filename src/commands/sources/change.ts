import { readFile } from 'node:fs/promises';
import { text as allText } from 'node:stream/consumers';
import { TEMPLATES } from '../../core/source/payments.ts';
import type { SourceChange } from '../../postgres/tables/sources-table.ts';
import { durationFlag } from '../../runtime/command.ts';
import { errorMessage, UserError } from '../../runtime/failure.ts';

const TEXT = { type: 'string' } as const;

/** The flags of `sources`. */
export const SET_FLAGS = {
  signature: TEXT,
  header: TEXT,
  prefix: TEXT,
  tolerance: TEXT,
  secret: { type: 'string', multiple: true },
  'drop-secrets': TEXT,
  'key-required': TEXT,
  schema: TEXT,
  idempotency: TEXT,
  'event-type': TEXT,
  'event-id': TEXT,
  description: TEXT,
  template: TEXT,
  json: { type: 'boolean' },
} as const;

type Flags = { readonly [name in Exclude<keyof typeof SET_FLAGS, 'secret' | 'json'>]?: string } & {
  readonly secret?: readonly string[];
};

/** The columns of the flags whose values are stored as they are. */
const PLAIN = {
  signature: 'signature',
  header: 'signature_header',
  prefix: 'signature_prefix',
  idempotency: 'idempotency_key',
  'event-type': 'event_type',
  'event-id': 'event_id',
  description: 'description',
} as const;

const usage = (problem: string) => new UserError(problem, { exitCode: 2 });

/** The change that the flags of `sources set` ask for. @throws {UserError} for a wrong value. */
export async function changeOf(flags: Flags): Promise<SourceChange> {
  const fields: Record<string, unknown> = {};
  if (flags.template !== undefined) Object.assign(fields, templateOf(flags.template));
  for (const [flag, column] of Object.entries(PLAIN) as [keyof typeof PLAIN, string][]) {
    const value = flags[flag];
    // `none` is a scheme of its own.
    if (value !== undefined) fields[column] = value === 'none' && flag !== 'signature' ? null : value;
  }
  if (flags.tolerance !== undefined) {
    fields.tolerance_ms = durationFlag('tolerance', flags.tolerance, { min: 1000, max: 86_400_000 });
  }
  if (flags['key-required'] !== undefined) {
    fields.key_required = choiceOf('key-required', flags['key-required'], ['yes', 'no']) === 'yes';
  }
  if (flags.schema !== undefined)
    fields.schema = flags.schema === 'none' ? null : await schemaOf(flags.schema);
  const drop = flags['drop-secrets'];
  return {
    fields,
    newSecrets: await Promise.all((flags.secret ?? []).map(secretOf)),
    dropSecrets: drop === undefined ? 'none' : choiceOf('drop-secrets', drop, ['older', 'all']),
  };
}

function templateOf(name: string): Readonly<Record<string, unknown>> {
  const template = TEMPLATES.get(name);
  if (template === undefined)
    throw usage(`--template: "${name}" is not one of ${[...TEMPLATES.keys()].join(', ')}`);
  return template;
}

function choiceOf<T extends string>(flag: string, value: string, choices: readonly T[]): T {
  const chosen = choices.find((choice) => choice === value);
  if (chosen === undefined) throw usage(`--${flag}: "${value}" is not ${choices.join(' or ')}`);
  return chosen;
}

async function schemaOf(path: string): Promise<unknown> {
  const text = await textOf('schema', path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usage(`--schema: ${path === '-' ? 'standard input' : path} is not JSON: ${errorMessage(error)}`);
  }
}

/** The messages never repeat the secret. The line break at the end of a file does not belong to it. */
async function secretOf(value: string): Promise<string> {
  const isRead = value === '-' || value.startsWith('@');
  const secret = isRead ? (await textOf('secret', value.replace(/^@/, ''))).replace(/\r?\n$/, '') : value;
  if (secret === '' || secret.includes('\0')) throw usage('--secret: the secret is empty, or contains NUL');
  return secret;
}

async function textOf(flag: string, path: string): Promise<string> {
  try {
    return path === '-' ? await allText(process.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    throw usage(`--${flag}: ${errorMessage(error)}`);
  }
}
