import type { Settings } from '../../config/settings.ts';
import { Header } from '../../core/message/nats-headers.ts';
import { connectToNats } from '../../nats/connection/connection.ts';
import { createPublisher } from '../../nats/publishing/publisher.ts';
import { UserError } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import { natsOptions } from '../../worker/connections/servers.ts';

/** How long the first webhook may take to arrive, in milliseconds. Above: `up` ends with an error. */
const ARRIVES_WITHIN_MS = 30_000;

/**
 * Publishes one webhook as any program would, and waits until the webhook arrives. This proves that every part works.
 *
 * @param arrived Resolves when the receiver has the webhook with this id. Rejects when `signal` is aborted.
 * @throws {UserError} if the webhook is not stored, or does not arrive.
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
    // If publishing fails first, nothing awaits this promise any more.
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

/** Makes a subject that the worker delivers: `webhooks.*` gives `webhooks.first`. */
function firstSubject(subjects: readonly string[]): string {
  return (subjects[0] ?? 'webhooks.*').replace(/[*>]/g, 'first');
}
