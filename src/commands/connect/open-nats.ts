import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { connectToNats, UNTIL_IT_ANSWERS } from '../../nats/connection/connection.ts';
import { UserError } from '../../runtime/failure.ts';
import { natsOptions } from '../../worker/connections/servers.ts';

/** How long a command waits for a server that cannot be reached, in milliseconds. Above: the command ends with an error. */
export const CONNECT_TIMEOUT_MS = 5000;

/**
 * Connects to NATS for a command of the user. If NATS cannot be reached, the command fails soon instead of waiting.
 *
 * @throws {UserError} after `CONNECT_TIMEOUT_MS`, with the last reason; or what `connectToNats` throws.
 */
export async function openNats(settings: Settings, name: string): Promise<NatsClient> {
  const giveUp = new AbortController();
  let lastTrouble = 'NATS does not answer.';
  const timer = setTimeout(() => {
    giveUp.abort(
      new UserError(
        `${lastTrouble.replace(UNTIL_IT_ANSWERS, '')} Start a server with \`npm start\`, or set NATS_URL to a running server.`,
      ),
    );
  }, CONNECT_TIMEOUT_MS);
  try {
    return await connectToNats({
      ...natsOptions(settings),
      name,
      log: {
        info: () => {},
        warn: ({ hint }) => {
          lastTrouble = hint;
        },
        error: ({ hint }) => {
          process.stderr.write(`${hint}\n`);
        },
      },
      signal: giveUp.signal,
    });
  } finally {
    clearTimeout(timer);
  }
}
