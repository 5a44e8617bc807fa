import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { connectToNats, type NatsOptions } from '../../nats/connection/connection.ts';
import { UserError } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import { type Database, openDatabase } from './database.ts';

/** How long NATS may take to say that it refuses us too, once PostgreSQL has refused us, in milliseconds. */
const SECOND_ERROR_MS = 2000;

/** How this program connects to NATS, by its settings. */
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

/** A path has a dot or a slash in it; all else is a seed, and so never shown, also a mistyped one. */
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
 * Opens PostgreSQL and NATS at the same time: so what is wrong with either is said of both at once.
 *
 * @param signal Ends the waiting for a NATS that is away.
 * @throws {UserError} for what the user can cure; the signal's reason when it is aborted.
 */
export async function connectServers(
  settings: Settings,
  log: Logger,
  signal: AbortSignal,
): Promise<{ readonly database: Database; readonly client: NatsClient }> {
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
  const [database, client] = await Promise.allSettled([opening, connecting]);
  if (database.status === 'fulfilled' && client.status === 'fulfilled')
    return { database: database.value, client: client.value };
  if (database.status === 'fulfilled') await database.value.pool.end();
  if (client.status === 'fulfilled') await client.value.close();
  throw combineErrors([database, client].flatMap((end) => (end.status === 'rejected' ? [end.reason] : [])));
}

/** One error that says all of them, each once. What is none of the user's goes first, alone. */
function combineErrors(reasons: readonly unknown[]): unknown {
  const other = reasons.find((reason) => !(reason instanceof UserError));
  if (other !== undefined) return other;
  const sentences = new Set((reasons as UserError[]).map(({ message }) => message));
  return new UserError([...sentences].join('\n'), { cause: reasons[0] });
}
