import { headers, nanos } from 'nats';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { createOrderedQueues, ensureOrderedConsumer } from '../../../src/nats/consumers/ordered-queues.ts';
import type { ReceivedMessage } from '../../../src/nats/messages/received-message.ts';
import { createAckBuffer } from '../../../src/nats/settlement/ack-buffer.ts';
import { LeaseManager } from '../../../src/nats/settlement/ack-lease.ts';
import { orderedCopySubject } from '../../../src/nats/streams/copy-subjects.ts';
import { ensureInternalStream } from '../../../src/nats/streams/internal-stream.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { itSinceNats } from '../../support/nats-version.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { ACCOUNT_PER_TEST, connectTo, failure, freshAccount } from '../servers.ts';

const STREAM = 'WEBHOOKS_ORDERED';
const SUBJECT = 'webhooks.ordered.k';
const WANTED = {
  name: STREAM,
  subjects: ['webhooks.ordered.*'],
  sourceStream: 'WEBHOOKS',
  group: 'webhook-workers',
  replicas: 1,
  ackWaitMs: 60_000,
};
const ACK = Buffer.from('+ACK');

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
let login: { user: string; pass: string };
beforeEach(async () => {
  login = freshAccount().all;
  client = await connectTo(server.url, login);
});

const ensure = (more: { subject?: string; ackWaitMs?: number } = {}) =>
  ensureOrderedConsumer(client, { stream: STREAM, subject: SUBJECT, ackWaitMs: 60_000, ...more });
const nameOf = async () => ((await ensure()) as { name: string }).name;
const store = async (subject: string, headers?: Parameters<NatsClient['connection']['request']>[2]) =>
  client.connection.request(subject, '{}', { timeout: 5000, ...headers });

/** Opens a queue as one worker does. Its messages stay unsettled until the test settles them. */
async function openQueue(of: NatsClient, subject = SUBJECT, ackWaitMs = 60_000) {
  const messages: ReceivedMessage[] = [];
  const queues = createOrderedQueues(of, {
    stream: STREAM,
    sourceStream: 'WEBHOOKS',
    subjects: WANTED.subjects,
    group: 'g',
    ackWaitMs: () => ackWaitMs,
    streamCreatedAt: () => 7,
    isStreamKnown: () => Promise.resolve(true),
  });
  const consumer = await queues.open(subject, {
    capacity: () => 1,
    onMessage: (message) => void messages.push(message),
  });
  onTestFinished(() => consumer!.stop());
  return { messages, queues, consumer: consumer! };
}

describe('the stream of ordered webhooks', () => {
  it('is a work queue that refuses messages when it is full, and carries ordered copies too', async () => {
    expect(await ensureInternalStream(client, 'ordered', WANTED)).toMatchObject({
      isNew: true,
      warnings: [],
    });
    expect(await ensureInternalStream(client, 'ordered', WANTED)).toMatchObject({
      isNew: false,
      warnings: [],
    });
    expect((await client.manager.streams.info(STREAM)).config).toMatchObject({
      subjects: ['webhooks.ordered.*', 'ordered.WEBHOOKS.>'],
      retention: 'workqueue',
      discard: 'new',
    });
  });

  it('is refused, with the cure, if it lacks subjects or keeps delivered messages', async () => {
    await client.manager.streams.add({ name: STREAM, subjects: WANTED.subjects });
    const lacking = await failure(ensureInternalStream(client, 'ordered', WANTED));
    expect(lacking.message).toContain(
      '`nats stream edit WEBHOOKS_ORDERED --subjects webhooks.ordered.*,ordered.WEBHOOKS.>`',
    );
    await client.manager.streams.update(STREAM, { subjects: ['webhooks.ordered.*', 'ordered.>'] });
    const kept = await failure(ensureInternalStream(client, 'ordered', WANTED));
    expect(kept.message).toContain('has retention limits, and must be a work queue');
  });

  it('is refused, with the reason, if another stream carries its subjects', async () => {
    await client.manager.streams.add({ name: 'OTHER', subjects: ['webhooks.>'] });
    const taken = await failure(ensureInternalStream(client, 'ordered', WANTED));
    expect(taken.message).toMatch(/refuses to make the stream WEBHOOKS_ORDERED.*no other stream carries/);
  });
});

describe('an ordered queue', () => {
  beforeEach(async () => {
    await ensureInternalStream(client, 'ordered', WANTED);
  });

  it('delivers one message at a time to one of its workers, and the next one when that message is acked', async () => {
    for (let n = 0; n < 20; n++) await store(SUBJECT);
    const other = await connectTo(server.url, login);
    const [a, b] = [await openQueue(client), await openQueue(other)];
    const seen: number[] = [];
    for (let n = 0; n < 20; n++) {
      await until(() => a.messages.length + b.messages.length > 0);
      expect(a.messages.length + b.messages.length).toBe(1);
      const message = a.messages.pop() ?? b.messages.pop()!;
      seen.push(message.sequence);
      client.connection.publish(message.reply, ACK);
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  });

  it('delivers the same message again before the next one', async () => {
    for (let n = 0; n < 2; n++) await store(SUBJECT);
    const { messages } = await openQueue(client);
    for (const ack of ['-NAK', '-NAK {"delay":50000000}', '+ACK', '+ACK']) {
      const before = messages.length;
      await until(() => messages.length > before || before === 0);
      await until(() => messages.length > 0);
      client.connection.publish(messages.at(-1)!.reply, ack);
      await until(() => messages.length > before || messages.length === 4);
    }
    expect(messages.map(({ sequence, deliveryCount: times }) => [sequence, times])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
    ]);
  });

  it('knows of a redelivered message whether it is acked by now', async () => {
    await store(SUBJECT);
    const { messages, queues } = await openQueue(client);
    await until(() => messages.length === 1);
    client.connection.publish(messages[0]!.reply, '-NAK');
    await until(() => messages.length === 2);
    expect(await queues.isOver(messages[1]!)).toBe(false);
    client.connection.publish(messages[0]!.reply, ACK);
    await until(() => queues.isOver(messages[1]!));
  });

  it('has the settings that the order needs, whatever its consumer had before', async () => {
    const name = await nameOf();
    await client.manager.consumers.update(STREAM, name, { max_ack_pending: 100 });
    expect(await ensure({ ackWaitMs: 30_000 })).toEqual({ name });
    expect((await client.manager.consumers.info(STREAM, name)).config).toMatchObject({
      filter_subject: SUBJECT,
      max_ack_pending: 1,
      max_deliver: -1,
      ack_wait: nanos(30_000),
      inactive_threshold: nanos(50_000),
    });
  });

  describe('keeps its consumer, even if nobody pulls,', () => {
    /** Resolves with the message of a queue that is closed. The server removes its consumer after 1.1 s without activity. */
    async function openAndClose() {
      await store(SUBJECT);
      const { messages, consumer } = await openQueue(client, SUBJECT, 1000);
      await until(() => messages.length === 1);
      await consumer.stop();
      const short = { inactive_threshold: nanos(1100) };
      await client.manager.consumers.update(STREAM, await onlyConsumer(), short);
      return messages[0]!;
    }

    const consumers = async () =>
      (await client.manager.consumers.list(STREAM).next()).map(({ name }) => name);
    const onlyConsumer = async () => (await consumers())[0]!;

    /** Resolves when the server has removed an unused consumer, after 3 s. */
    async function longerThanInactive() {
      const name = 'control';
      await client.manager.consumers.add(STREAM, {
        name,
        filter_subject: 'webhooks.ordered.control',
        ack_policy: 'explicit' as never,
        inactive_threshold: nanos(3000),
      });
      await until(async () => !(await consumers()).includes(name));
    }

    it('while its message is held', async () => {
      const acks = createAckBuffer(client);
      const isGone = () => false;
      const leases = new LeaseManager({ client, acks, ackWaitMs: 1000, isGone, clock: systemClock });
      onTestFinished(() => leases.stop());
      const held = await openAndClose();
      leases.add(held);
      await longerThanInactive();
      expect((await consumers()).length).toBe(1);
      expect(leases.isLeaseValid(held)).toBe(true);
    });

    itSinceNats(
      [2, 11, 7],
      'older versions remove a consumer without pull requests while its message waits; workers pull every 15 s',
    )('while its message waits for a retry', async () => {
      const retried = await openAndClose();
      client.connection.publish(retried.reply, '-NAK {"delay":5000000000}');
      await longerThanInactive();
      expect((await consumers()).length).toBe(1);
      const again = await openQueue(client, SUBJECT, 1000);
      await until(() => again.messages.length === 1);
      expect(again.messages[0]!.deliveryCount).toBe(2);
    });
  });

  it('is listed with its number of messages, unless its subject is a pattern', async () => {
    for (const subject of [SUBJECT, SUBJECT, 'webhooks.ordered.other', 'webhooks.ordered.*'])
      await store(subject);
    const { queues } = await openQueue(client, 'webhooks.ordered.none');
    expect(await queues.list()).toEqual(
      new Map([
        [SUBJECT, 2],
        ['webhooks.ordered.other', 1],
      ]),
    );
  });

  it('delivers an ordered copy as its original message, and ignores copy headers in a published message', async () => {
    const origin = headers();
    for (const [name, value] of [
      ['Original-Subject', SUBJECT],
      ['Original-Stream', STREAM],
      ['Original-Stream-Created', '1790000000000'],
      ['Original-Sequence', '9'],
    ])
      origin.set(`Webhook-${name}`, value!);
    const copy = orderedCopySubject('WEBHOOKS', SUBJECT, 'shop-0a1b2c3d');
    for (const subject of [copy, SUBJECT]) await store(subject, { headers: origin, timeout: 5000 });
    const [copies, published] = [await openQueue(client, copy), await openQueue(client)];
    await until(() => copies.messages.length + published.messages.length === 2);
    expect(copies.messages[0]).toMatchObject({
      subject: SUBJECT,
      orderingKey: copy,
      sequence: 9,
      streamCreatedAt: 1_790_000_000_000,
      parkedEndpointKey: 'shop-0a1b2c3d',
      isParkedCopy: false,
    });
    expect(published.messages[0]).toMatchObject({
      subject: SUBJECT,
      orderingKey: SUBJECT,
      sequence: 2,
      parkedEndpointKey: null,
    });
  });

  it('tells for which endpoints copies of a subject wait: from the moment one is stored until all are acked', async () => {
    const copies = orderedCopySubject('WEBHOOKS', SUBJECT, 'shop-0a1b2c3d');
    const { queues, messages } = await openQueue(client, copies);
    expect(await queues.keysWithCopies(SUBJECT)).toEqual([]);
    await store(orderedCopySubject('WEBHOOKS', `${SUBJECT}.deeper`, 'other-0a1b2c3d'));
    await store(SUBJECT);
    for (let n = 0; n < 2; n++) await store(copies);
    expect(await queues.keysWithCopies(SUBJECT)).toEqual(['shop-0a1b2c3d']);
    for (let n = 0; n < 2; n++) {
      await until(() => messages.length === n + 1);
      expect(messages[n]).toMatchObject({ deliverySequence: n + 1 });
      expect(await queues.keysWithCopies(SUBJECT)).toEqual(['shop-0a1b2c3d']);
      await client.connection.request(messages[n]!.reply, ACK, { timeout: 5000 });
    }
    expect(await queues.keysWithCopies(SUBJECT)).toEqual([]);
  });

  it('does not know of copies if their stream is missing', async () => {
    const { queues } = await openQueue(client);
    await client.manager.streams.delete(STREAM);
    expect(await queues.keysWithCopies(SUBJECT)).toBeNull();
  });

  it('announces each published message to one worker', async () => {
    const other = await connectTo(server.url, login);
    const heard: string[] = [];
    for (const { queues } of [await openQueue(client, 'x.a'), await openQueue(other, 'x.b')])
      onTestFinished(queues.listen((subject) => void heard.push(subject)));
    await Promise.all([client.connection.flush(), other.connection.flush()]);
    for (let n = 0; n < 10; n++) await store(`webhooks.ordered.k${n}`);
    await until(() => heard.length === 10);
    expect(new Set(heard).size).toBe(10);
  });
});

describe('an ack of an ordered message', () => {
  it('is not sent when its lease is over, and its confirmation is reported', async () => {
    const received: string[] = [];
    client.connection.subscribe('acks', { callback: (_, { data }) => void received.push(String(data)) });
    const acks = createAckBuffer(client);
    let isConfirmed = false;
    const onConfirmed = () => {
      isConfirmed = true;
    };
    acks.send('acks', Buffer.from('late'), undefined, {
      expiresAt: performance.now() - 1,
      onConfirmed: () => {},
    });
    acks.send('acks', Buffer.from('in time'), undefined, {
      expiresAt: performance.now() + 60_000,
      onConfirmed,
    });
    expect(await acks.flush(5000)).toBe(true);
    await until(() => received.length > 0 && isConfirmed);
    expect(received).toEqual(['in time']);
  });
});
