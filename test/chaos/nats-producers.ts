import { Header } from '../../src/core/message/nats-headers.ts';
import { createPublisher } from '../../src/nats/publishing/publisher.ts';
import type { ProducerOptions, Producers } from './producers.ts';

/** How long a message is tried, in milliseconds. A message without a confirmation does not count afterwards. */
const PUBLISH_FOR_MS = 5000;

export async function natsProducers({ client }: Pick<ProducerOptions, 'client'>): Promise<Producers> {
  const publisher = createPublisher(client, { maxInFlight: 1000, retryForMs: PUBLISH_FOR_MS });
  return {
    programs: [],
    async publish({ id, subject, url, body, notBefore }) {
      const data = Buffer.from(JSON.stringify({ webhook_url: url, data: body }));
      const result = await publisher.publish(subject, data, {
        [Header.messageId]: id,
        ...(notBefore !== undefined && { [Header.deliverAt]: new Date(notBefore).toISOString() }),
      });
      if (!('stored' in result)) return { kind: 'unknown' };
      const { stream, sequence } = result.stored;
      return { kind: 'accepted', id, stream, sequence };
    },
    async close() {},
  };
}
