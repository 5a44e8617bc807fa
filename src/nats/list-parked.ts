import type { NatsClient } from './connection/client.ts';
import { listSubjects } from './streams/list-subjects.ts';
import { parkedSubject } from './streams/parked-stream.ts';

/**
 * How many copies wait for each endpoint: the only source of who has any, so nothing is forgotten over restarts.
 *
 * @param keys Of which queues, as NATS has it with wildcards. @default all
 * @returns null where it cannot be known now: NATS is away, or the stream is not there.
 */
export async function listParked(
  client: NatsClient,
  name: string,
  sourceStream: string,
  keys = '>',
): Promise<ReadonlyMap<string, number> | null> {
  const prefix = parkedSubject(sourceStream, '');
  const listed = await listSubjects(client, name, prefix + keys);
  return listed && new Map([...listed].map(([subject, count]) => [subject.slice(prefix.length), count]));
}
