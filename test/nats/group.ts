import { AckPolicy, type ConsumerConfig, nanos, headers as natsHeaders, RetentionPolicy } from 'nats';
import { onTestFinished } from 'vitest';
import { Slots } from '../../src/delivery/slots.ts';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import type { PullLimits } from '../../src/nats/consumers/group-consumer.ts';
import { createPullConsumer } from '../../src/nats/consumers/pull-consumer.ts';
import type { ReceivedMessage } from '../../src/nats/messages/received-message.ts';
import { createAckBuffer } from '../../src/nats/settlement/ack-buffer.ts';
import { createParkedWriter } from '../../src/nats/settlement/parked-writer.ts';
import { createSettlement } from '../../src/nats/settlement/settlement.ts';

export const STREAM = 'WEBHOOKS';
export const DURABLE = 'webhook-workers';

/** Creates an empty stream with the durable of a group. */
export async function makeGroup(client: NatsClient, config: Partial<ConsumerConfig> = {}): Promise<void> {
  await client.manager.streams.add({
    name: STREAM,
    subjects: ['webhooks.*'],
    retention: RetentionPolicy.Workqueue,
  });
  await makeDurable(client, config);
}

export async function makeDurable(client: NatsClient, config: Partial<ConsumerConfig> = {}): Promise<void> {
  await client.manager.consumers.add(STREAM, {
    durable_name: DURABLE,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(60_000),
    max_ack_pending: 100_000,
    max_waiting: 10_000,
    ...config,
  });
}

/** Stores `count` messages. Their header `order` counts them, from 0. */
export async function publish(client: NatsClient, count: number): Promise<void> {
  for (let n = 0; n < count; n += 500) {
    const some = Array.from({ length: Math.min(500, count - n) }, async (_, index) => {
      const headers = natsHeaders();
      headers.set('order', String(n + index));
      await client.connection.request('webhooks.orders', `{"n":${n + index}}`, { headers, timeout: 10_000 });
    });
    await Promise.all(some);
  }
}

export const groupState = (client: NatsClient) => client.manager.consumers.info(STREAM, DURABLE);

/** True if every message was delivered and settled. */
export async function settled(client: NatsClient): Promise<boolean> {
  const info = await groupState(client);
  return info.num_pending === 0 && info.num_ack_pending === 0;
}

export const NO_LIMITS: PullLimits = { batch: null, expiresMs: null };

export type WorkerOptions = {
  readonly slots: number;
  readonly maxBatch?: number;
  readonly ackWaitMs?: number;
  readonly limits?: PullLimits;
  readonly verify?: () => Promise<boolean>;
  /** Processes a message in its slot, before the message is acked. */
  readonly handle?: (message: ReceivedMessage) => Promise<void> | void;
};

/** A pull consumer with slots and a settlement, as in a worker. */
export function startWorker(client: NatsClient, options: WorkerOptions) {
  const { slots: concurrency, maxBatch = concurrency, ackWaitMs = 60_000, handle = () => {} } = options;
  const { limits = NO_LIMITS, verify = () => Promise.resolve(true) } = options;
  const seen: ReceivedMessage[] = [];
  let mostHeld = 0;
  let surplus = 0;
  const acks = createAckBuffer(client);
  const parkedWriter = createParkedWriter(client, {
    streamName: 'WEBHOOKS_PARKED',
    owner: { sourceStream: STREAM, group: 'webhook-workers' },
  });
  const settlement = createSettlement({
    client,
    acks,
    parkedWriter,
    deadLetters: { write: () => Promise.reject(new Error('no dead letters here')) },
    ackWaitMs,
  });
  const slots = new Slots(concurrency);
  const consumer = createPullConsumer(client, {
    stream: STREAM,
    durable: DURABLE,
    streamCreatedAt: () => 0,
    maxBatch,
    limits: () => limits,
    verify,
  });
  slots.onFreed(() => consumer.onSlotFreed());
  consumer.start({
    capacity: () => slots.free(),
    onMessage(message) {
      if (slots.free() === 0) {
        surplus++;
        settlement.nak(message, 0);
        return;
      }
      seen.push(message);
      settlement.hold(message);
      void slots.run(async () => {
        await handle(message);
        settlement.ack(message);
      });
      mostHeld = Math.max(mostHeld, slots.busy());
    },
  });
  onTestFinished(() => {
    settlement.stop();
    parkedWriter.stop();
    return consumer.stop();
  });
  return {
    consumer,
    acks,
    slots,
    seen,
    mostHeld: () => mostHeld,
    surplus: () => surplus,
    sequences: () => new Set(seen.map(({ sequence }) => sequence)),
  };
}

/** Records the pull requests that reach the server, for one test. */
export async function recordPulls(client: NatsClient) {
  const pulls: { batch: number }[] = [];
  const subscription = client.connection.subscribe('$JS.API.CONSUMER.MSG.NEXT.>', {
    callback: (_error, message) => void pulls.push(message.json()),
  });
  onTestFinished(() => subscription.unsubscribe());
  await client.connection.flush();
  return pulls;
}
