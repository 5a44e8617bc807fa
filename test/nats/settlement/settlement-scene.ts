import { nanos } from 'nats';
import { onTestFinished } from 'vitest';
import type { Outcome } from '../../../src/core/retry/attempt.ts';
import type { Verdict } from '../../../src/core/retry/verdict.ts';
import { Settler } from '../../../src/delivery/settler.ts';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { createPullConsumer } from '../../../src/nats/consumers/pull-consumer.ts';
import type { ReceivedMessage } from '../../../src/nats/messages/received-message.ts';
import { createAckBuffer } from '../../../src/nats/settlement/ack-buffer.ts';
import { createDeadLetterWriter } from '../../../src/nats/settlement/dead-letter-writer.ts';
import { createParkedWriter } from '../../../src/nats/settlement/parked-writer.ts';
import { createSettlement } from '../../../src/nats/settlement/settlement.ts';
import { ensureInternalStream } from '../../../src/nats/streams/internal-stream.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { until } from '../../support/wait.ts';
import { DURABLE, makeGroup, NO_LIMITS, STREAM } from '../group.ts';
import { KEY, PARKED, WANTED } from './parking-scene.ts';

export const DLQ = 'WEBHOOKS_DLQ';
const FAILED: Outcome = { kind: 'responded', status: 500, retryAfterMs: null, excerpt: '' };

/** A group whose messages the test takes with `next` and settles with `settle`. `worker` is the client that settles. */
export async function startSettling(
  client: NatsClient,
  {
    worker = client,
    ackWaitMs = 60_000,
    random = Math.random,
    defer = () => false,
  }: {
    worker?: NatsClient;
    ackWaitMs?: number;
    random?: () => number;
    defer?: (message: ReceivedMessage) => boolean;
  } = {},
) {
  await makeGroup(client, { ack_wait: nanos(ackWaitMs) });
  await ensureInternalStream(client, 'deadLetters', { name: DLQ, sourceStream: STREAM, replicas: 1 });
  const { createdAt: parkedCreated } = await ensureInternalStream(client, 'parked', WANTED);
  const messages: ReceivedMessage[] = [];
  let skippedMs = 0;
  const clock = {
    ...systemClock,
    now: () => systemClock.now() + skippedMs,
    /** Moves `now()` forward. Timers keep their real time. */
    skip(ms: number) {
      skippedMs += ms;
    },
  };
  const parkedWriter = createParkedWriter(worker, {
    streamName: PARKED,
    owner: { sourceStream: STREAM, group: 'webhook-workers' },
  });
  const settlement = createSettlement({
    client: worker,
    acks: createAckBuffer(worker),
    deadLetters: createDeadLetterWriter(worker, {
      streamName: DLQ,
      owner: { sourceStream: STREAM, group: 'webhook-workers' },
    }),
    parkedWriter,
    ackWaitMs,
    clock,
  });
  const settler = new Settler({
    effects: settlement,
    deferred: { defer },
    ordered: { defer },
    now: Date.now,
    random,
  });
  const consumer = createPullConsumer(worker, {
    stream: STREAM,
    durable: DURABLE,
    streamCreatedAt: () => 7,
    maxBatch: 100,
    limits: () => NO_LIMITS,
    verify: () => Promise.resolve(true),
  });
  consumer.start({
    capacity: () => 100,
    onMessage(message) {
      settlement.hold(message);
      messages.push(message);
    },
  });
  onTestFinished(() => {
    settlement.stop();
    parkedWriter.stop();
    return consumer.stop();
  });
  const next = async (n = 0) => {
    await until(() => messages.length > n);
    return messages[n]!;
  };
  const settle = (message: ReceivedMessage, verdict: Verdict, outcome = FAILED) =>
    settler.settle(
      message,
      { id: 'orders:1', endpointKey: KEY, webhookId: null },
      { outcome, startedAt: 0, durationMs: 1 },
      verdict,
    );
  return { settlement, settler, parking: parkedWriter, messages, next, settle, clock, parkedCreated };
}
