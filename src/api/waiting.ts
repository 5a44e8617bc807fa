import type { Settings } from '../config/settings.ts';
import type { Waiting } from '../ingest/stats-route.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import { consumerInfo } from '../nats/consumers/consumer-info.ts';
import { messagesIn, scheduledIn } from '../nats/streams/waiting-messages.ts';

/** What waits in NATS: the same numbers as the command `stats` prints. */
export async function readWaiting(client: NatsClient, settings: Settings): Promise<Waiting> {
  const { STREAM_NAME: sourceStream, PARKED_STREAM_NAME: parkedStream, QUEUE_GROUP } = settings;
  const [group, all, scheduled, ordered, deadLetters] = await Promise.all([
    consumerInfo(client, sourceStream, QUEUE_GROUP).catch(() => null),
    messagesIn(client, parkedStream),
    scheduledIn(client, { sourceStream, parkedStream }),
    messagesIn(client, settings.ORDERED_STREAM_NAME),
    messagesIn(client, settings.DLQ_STREAM_NAME),
  ]);
  const parked = all === null ? null : Math.max(0, all - (scheduled ?? 0));
  return { pending: group?.pending ?? null, parked, scheduled, ordered, deadLetters };
}
