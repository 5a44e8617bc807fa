import type { Settings } from '../../config/settings.ts';
import { Header } from '../../core/message/nats-headers.ts';
import { connectToNats } from '../../nats/connection/connection.ts';
import { createPublisher } from '../../nats/publishing/publisher.ts';
import { UserError } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import { natsOptions } from '../../worker/connections/servers.ts';

/** How long the first webhook may take before something is wrong, in milliseconds. */
const ARRIVES_WITHIN_MS = 30_000;

/**
 * Publishes one webhook as any program would, and waits until it has arrived: the proof that all of it works.
 *
 * @param arrived Resolves when the receiver has it, by its id; rejects when `signal` is aborted.
 * @throws {UserError} when it is not stored, or does not arrive.
 */
export async function deliverFirst(
  settings: Settings,
  receiverUrl: string,
  arrived: (id: string) => Promise<void>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const client = await connectToNats({
    ...natsOptions(settings),
    name: 'up',
    log: log.child({}, { level: 'warn' }),
    signal,
  });
  try {
    const id = `first-${Date.now().toString(36)}`;
    const arrival = arrived(id);
    // Where publishing fails first, nobody waits for it any more.
    arrival.catch(() => {});
    const message = {
      webhook_url: `${receiverUrl}/first`,
      data: { event: 'system.started', message: 'your first webhook' },
      headers: { [Header.eventType]: 'system.started' },
    };
    const subject = firstSubject(settings.SUBJECT);
    const published = await createPublisher(client).publish(subject, Buffer.from(JSON.stringify(message)), {
      [Header.messageId]: id,
    });
    if ('failed' in published)
      throw new UserError(`The first webhook could not be published: ${published.detail}`);
    if (!(await withTimeout(ARRIVES_WITHIN_MS, arrival))) {
      const seconds = ARRIVES_WITHIN_MS / 1000;
      throw new UserError(`The first webhook has not arrived within ${seconds} s; the log above says why.`);
    }
  } finally {
    await client.close();
  }
}

/** A subject of those that are delivered: `webhooks.*` gives `webhooks.first`. */
function firstSubject(subjects: readonly string[]): string {
  return (subjects[0] ?? 'webhooks.*').replace(/[*>]/g, 'first');
}
