import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { connectToNats, type NatsOptions } from '../../nats/connection/connection.ts';
import { UserError } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import { type Database, openDatabase } from './database.ts';

/**
 * How long the start waits for a refusal of NATS after PostgreSQL has refused, in milliseconds, so that both errors are reported
 * together. After it, only the error of PostgreSQL is reported.
 */
const SECOND_ERROR_MS = 2000;

/** Returns the options of the NATS connection, from the settings. */
export function natsOptions(settings: Settings): Omit<NatsOptions, 'log' | 'signal'> {
  return {
    servers: settings.NATS_URL,
    user: settings.NATS_USER,
    pass: settings.NATS_PASS,
    token: settings.NATS_TOKEN,
    credsFile: settings.NATS_CREDS,
    ...nkeyOf(settings.NATS_NKEY),
    tls: tlsOf(settings),
    jsDomain: settings.NATS_JS_DOMAIN,
    name: settings.CONSUMER_NAME,
  };
}

/** A text with a dot or a slash is a path. Every other text counts as a seed, so that a mistyped seed is never shown. */
function nkeyOf(text: string | undefined): Pick<NatsOptions, 'nkeySeed' | 'nkeyFile'> {
  if (text === undefined) return {};
  return /[./\\]/.test(text) ? { nkeyFile: text } : { nkeySeed: text };
}

function tlsOf({ NATS_TLS_CA, NATS_TLS_CERT, NATS_TLS_KEY, NATS_TLS_FIRST }: Settings): NatsOptions['tls'] {
  if (NATS_TLS_CA === undefined && NATS_TLS_CERT === undefined && !NATS_TLS_FIRST) return undefined;
  return {
    first: NATS_TLS_FIRST,
    ...(NATS_TLS_CA !== undefined && { caFile: NATS_TLS_CA }),
    ...(NATS_TLS_CERT !== undefined && { certFile: NATS_TLS_CERT }),
    ...(NATS_TLS_KEY !== undefined && { keyFile: NATS_TLS_KEY }),
  };
}

/**
 * Opens PostgreSQL and NATS at the same time, so that the problems of both are reported together.
 *
 * @param signal Ends the wait for NATS.
 * @throws {UserError} If the user can cure the problem; the signal's reason if the signal is aborted.
 */
export async function connectServers(
  settings: Settings,
  log: Logger,
  signal: AbortSignal,
): Promise<{ readonly database: Database; readonly client: NatsClient }> {
  const { database, connecting } = await openServers(settings, log, signal);
  try {
    return { database, client: await connecting };
  } catch (error) {
    await database.pool.end();
    throw error;
  }
}

/** The same for a program that can do something before NATS answers: `connecting` throws what `connectServers` throws of NATS. */
export async function openServers(
  settings: Settings,
  log: Logger,
  signal: AbortSignal,
): Promise<{ readonly database: Database; readonly connecting: Promise<NatsClient> }> {
  const givenUp = new AbortController();
  const connecting = connectToNats({
    ...natsOptions(settings),
    log,
    signal: AbortSignal.any([signal, givenUp.signal]),
  });
  const opening = openDatabase(settings, log).catch(async (error) => {
    const answered = connecting.catch(() => undefined);
    await withTimeout(SECOND_ERROR_MS, answered);
    givenUp.abort(error);
    throw error;
  });
  // The caller may look at it much later.
  connecting.catch(() => {});
  try {
    return { database: await opening, connecting };
  } catch (error) {
    const [client] = await Promise.allSettled([connecting]);
    if (client.status === 'fulfilled') await client.value.close();
    throw combineErrors(client.status === 'rejected' ? [error, client.reason] : [error]);
  }
}

/** Combines the errors into one, each sentence once. An error that is not a UserError is returned alone. */
function combineErrors(reasons: readonly unknown[]): unknown {
  const other = reasons.find((reason) => !(reason instanceof UserError));
  if (other !== undefined) return other;
  const sentences = new Set((reasons as UserError[]).map(({ message }) => message));
  return new UserError([...sentences].join('\n'), { cause: reasons[0] });
}
