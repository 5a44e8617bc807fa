import { type MsgHdrs, nanos } from 'nats';
import { onTestFinished } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { ensureParkedConsumer } from '../../../src/nats/consumers/parked-queues.ts';
import { createPullConsumer } from '../../../src/nats/consumers/pull-consumer.ts';
import {
  parkedMessage,
  publishedMessage,
  type ReceivedMessage,
} from '../../../src/nats/messages/received-message.ts';
import type { CopyHeaders } from '../../../src/nats/settlement/copy-headers.ts';
import { createParkedWriter, type ParkedWriterOptions } from '../../../src/nats/settlement/parked-writer.ts';
import { ensureInternalStream } from '../../../src/nats/streams/internal-stream.ts';
import { until } from '../../support/wait.ts';
import { DURABLE, makeGroup, NO_LIMITS, STREAM } from '../group.ts';

export const PARKED = 'WEBHOOKS_PARKED';
export const KEY = 'example-com-0a1b2c3d';
export const SUBJECT = `parked.${STREAM}.${KEY}`;
/** The creation time of the source stream, in milliseconds since 1970. */
export const CREATED = 1_790_000_000_000;
export const WANTED = { name: PARKED, sourceStream: STREAM, replicas: 1, ackWaitMs: 60_000 };

export const parking = (more: Partial<CopyHeaders> = {}): CopyHeaders => ({
  deliveryId: 'order-1',
  endpointKey: KEY,
  webhookId: null,
  attempts: 0,
  notBefore: null,
  ...more,
});

/** The messages of one durable. `next` waits for a message and returns it. */
export function receiveFrom(
  client: NatsClient,
  stream: string,
  durable: string,
  created: number,
  slots = 1000,
) {
  const messages: ReceivedMessage[] = [];
  const consumer = createPullConsumer(client, {
    stream,
    durable,
    streamCreatedAt: () => created,
    maxBatch: slots,
    limits: () => NO_LIMITS,
    verify: () => Promise.resolve(true),
    maxPulls: 2,
    toMessage: stream === PARKED ? parkedMessage : publishedMessage,
  });
  consumer.start({ capacity: () => slots, onMessage: (message) => void messages.push(message) });
  onTestFinished(() => consumer.stop());
  const next = async (n = 0) => {
    await until(() => messages.length > n);
    return messages[n]!;
  };
  return { messages, next, consumer };
}

/** A group with a parked stream. `worker` is the client that parks. */
export async function startScene(
  client: NatsClient,
  {
    worker = client,
    ackWaitMs = 60_000,
    ...options
  }: Partial<ParkedWriterOptions> & {
    worker?: NatsClient;
    ackWaitMs?: number;
  } = {},
) {
  await makeGroup(client, { ack_wait: nanos(ackWaitMs) });
  const { createdAt } = await ensureInternalStream(client, 'parked', WANTED);
  const writer = createParkedWriter(worker, {
    streamName: PARKED,
    owner: { sourceStream: STREAM, group: 'webhook-workers' },
    ...options,
  });
  onTestFinished(() => writer.stop());
  const main = receiveFrom(worker, STREAM, DURABLE, CREATED);
  const openParked = async (of: NatsClient = worker, slots?: number, endpointKey = KEY) => {
    const made = await ensureParkedConsumer(of, {
      parkedStream: PARKED,
      owner: { sourceStream: STREAM, group: 'webhook-workers' },
      queueKey: endpointKey,
      ackWaitMs,
    });
    if ('failed' in made) throw new Error(made.failed);
    return receiveFrom(of, PARKED, made.name, createdAt, slots);
  };
  return { writer, main, openParked, parkedCreated: createdAt };
}

/** Stores a message with these header lines, unchanged. Each character of a line is one byte. */
export async function publishRaw(
  client: NatsClient,
  lines: readonly string[],
  data: Uint8Array,
): Promise<void> {
  const block = Buffer.from(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
  const headers = { encode: () => block } as unknown as MsgHdrs;
  await client.connection.request('webhooks.orders', data, { headers, timeout: 5000 });
}

/** The last stored copy: its subject, its headers with their values, its data and its sequence. */
export async function lastCopy(client: NatsClient) {
  const last = { last_by_subj: `parked.${STREAM}.>` };
  const { header, data, seq, subject } = await client.manager.streams.getMessage(PARKED, last);
  return { subject, headers: [...header].sort(([a], [b]) => (a < b ? -1 : 1)), data: Buffer.from(data), seq };
}

export const stored = async (client: NatsClient, stream: string) =>
  (await client.manager.streams.info(stream)).state.messages;
