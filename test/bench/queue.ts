import type { NatsClient } from '../../src/nats/connection/client.ts';
import { consumerInfo } from '../../src/nats/consumers/consumer-info.ts';
import { ensureGroupConsumer, MAX_ACK_PENDING } from '../../src/nats/consumers/group-consumer.ts';
import { createPublisher } from '../../src/nats/publishing/publisher.ts';
import { ensureStream } from '../../src/nats/streams/stream.ts';
import { defaultWebhookStream } from '../../src/nats/streams/stream-config.ts';
import { UserError } from '../../src/runtime/failure.ts';
import type { BenchQueue } from './run.ts';

/** An event of about the usual size. */
export const EVENT = {
  type: 'invoice.paid',
  created_at: '2026-01-31T12:00:00.000Z',
  customer: { id: 'cus_4QpVd', name: 'Ada Lovelace', email: 'ada@example.com' },
  amount: 129_900,
  currency: 'EUR',
  lines: ['standard plan', 'five more seats', 'support'],
};

export type RemovableQueue = BenchQueue & { readonly durable: string; remove(): Promise<void> };

/** Creates a stream with a durable for one run, as a worker creates them. */
export async function makeBenchQueue(
  client: NatsClient,
  stream: string,
  ackWaitMs: number,
): Promise<RemovableQueue> {
  const durable = 'bench';
  const subject = `${stream}.hook`;
  await ensureStream(client, defaultWebhookStream(stream, [`${stream}.*`]));
  await ensureGroupConsumer(client, {
    stream,
    durable,
    subjects: [`${stream}.*`],
    ackWaitMs,
    maxAckPending: MAX_ACK_PENDING,
  });
  const publisher = createPublisher(client, { maxInFlight: 256 });
  let published = 0;
  return {
    durable,
    async publish(url, count) {
      const data = Buffer.from(JSON.stringify({ webhook_url: `${url}/hook`, data: EVENT }));
      const all: Promise<void>[] = [];
      for (let number = 0; number < count; number++) {
        await publisher.whenFree();
        const id = `${stream}-${published++}`;
        all.push(publisher.publish(subject, data, { 'Nats-Msg-Id': id }).then(requireStored));
      }
      await Promise.all(all);
    },
    async isSettled() {
      const info = await consumerInfo(client, stream, durable);
      return info !== null && info.pending === 0 && info.ackPending === 0;
    },
    async remove() {
      for (const name of [stream, `${stream}_DLQ`]) {
        // The other programs create no dead-letter stream.
        await client.manager.streams.delete(name).catch(() => false);
      }
    },
  };
}

function requireStored(result: object): void {
  if ('detail' in result) throw new UserError(`The bench cannot publish: ${result.detail}`);
}
