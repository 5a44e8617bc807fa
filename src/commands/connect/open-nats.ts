import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { connectToNats, UNTIL_IT_ANSWERS } from '../../nats/connection/connection.ts';
import { UserError } from '../../runtime/failure.ts';
import { natsOptions } from '../../worker/connections/servers.ts';

/** How long a person waits for a server that is away, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 5000;

/**
 * NATS for a command that a person runs: one that is away is an error soon.
 *
 * @throws {UserError} after `CONNECT_TIMEOUT_MS`, with what was tried; or what `connectToNats` throws.
 */
export async function openNats(settings: Settings, name: string): Promise<NatsClient> {
  const giveUp = new AbortController();
  let lastTrouble = 'NATS does not answer.';
  const timer = setTimeout(() => {
    giveUp.abort(
      new UserError(
        `${lastTrouble.replace(UNTIL_IT_ANSWERS, '')} Start one with \`npm start\`, or set NATS_URL to one that runs.`,
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
