import { SCHEDULED_KEYS } from '../../core/scheduled-queue.ts';
import type { NatsClient } from '../connection/client.ts';
import { DEFAULT_GROUP, parkedSubject } from './copy-subjects.ts';
import { listSubjects } from './list-subjects.ts';

/** How many messages a stream holds. Null: the stream does not exist, or NATS cannot be reached. */
export async function messagesIn(client: NatsClient, stream: string): Promise<number | null> {
  try {
    return (await client.manager.streams.info(stream)).state.messages;
  } catch {
    return null;
  }
}

/** How many messages of the parked stream wait for their `Webhook-Deliver-At`, of all groups. Null: unknown. */
export async function scheduledIn(
  client: NatsClient,
  { sourceStream, parkedStream }: { readonly sourceStream: string; readonly parkedStream: string },
): Promise<number | null> {
  const filters = [DEFAULT_GROUP, '*'].map((group) => parkedSubject({ sourceStream, group }, SCHEDULED_KEYS));
  let scheduled = 0;
  for (const filter of filters) {
    const listed = await listSubjects(client, parkedStream, filter).catch(() => null);
    if (listed === null) return null;
    for (const count of listed.values()) scheduled += count;
  }
  return scheduled;
}
