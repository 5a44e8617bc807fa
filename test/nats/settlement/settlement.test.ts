import { connect } from 'node:net';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Verdict } from '../../../src/core/retry/verdict.ts';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { groupState, publish, STREAM } from '../group.ts';
import { connectTo, recordedLog } from '../servers.ts';
import { DLQ, startSettling } from './settlement-scene.ts';

const GONE: Verdict = { kind: 'deadLetter', reason: 'gone' };

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats();
});

let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url);
  for await (const name of client.manager.streams.names()) await client.manager.streams.delete(name);
});

const stored = async (stream: string) => (await client.manager.streams.info(stream)).state.messages;

test('an acked message is removed from the stream', async () => {
  const { next, settle } = await startSettling(client);
  await publish(client, 1);
  expect(await settle(await next(), { kind: 'ack' })).toEqual({ kind: 'ack' });
  await until(async () => (await stored(STREAM)) === 0);
});

test('a message that is retried is delivered a second time after its delay', async () => {
  const { next, settle } = await startSettling(client);
  await publish(client, 1);
  const first = await next();
  const settledAt = performance.now();
  await settle(first, { kind: 'retry', delayMs: 700, retryVia: 'nak' });
  const second = await next(1);
  expect(second).toMatchObject({ sequence: first.sequence, deliveryCount: 2 });
  expect(second.receivedAt - settledAt).toBeGreaterThanOrEqual(700);
});

test('a message that is requeued is delivered again', async () => {
  const { next, settlement } = await startSettling(client);
  await publish(client, 1);
  const first = await next();
  settlement.nak(first, 0);
  expect(await next(1)).toMatchObject({ sequence: first.sequence, deliveryCount: 2 });
});

test('a message that waits for its next attempt delays no other message', async () => {
  const { next, settle, messages } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), { kind: 'retry', delayMs: 3_600_000, retryVia: 'nak' });
  await publish(client, 5);
  await until(() => messages.length === 6);
});

test('a message that is held for long is not delivered again', async () => {
  const { next, settle, messages } = await startSettling(client, { ackWaitMs: 1000 });
  await publish(client, 1);
  const held = await next();
  await until(() => performance.now() - held.receivedAt > 3500);
  await settle(held, { kind: 'ack' });
  await until(async () => (await stored(STREAM)) === 0);
  expect(messages.length).toBe(1);
  expect((await groupState(client)).delivered.consumer_seq).toBe(1);
});

test('a message that its worker did not settle before it stopped is delivered again after the ack wait', async () => {
  const { settlement, next } = await startSettling(client, { ackWaitMs: 1000 });
  await publish(client, 1);
  const first = await next();
  settlement.stop();
  expect(await next(1)).toMatchObject({ sequence: first.sequence, deliveryCount: 2 });
});

test('a dead letter is stored, and then its message is removed', async () => {
  const { settlement, next, settle } = await startSettling(client);
  await publish(client, 1);
  expect(await settle(await next(), GONE)).toEqual(GONE);
  // The server has confirmed both by now.
  expect(await stored(DLQ)).toBe(1);
  expect(await stored(STREAM)).toBe(0);
  expect(settlement.problem()).toBe(null);
});

test('a dead letter keeps its message unchanged, with the headers', async () => {
  const { next, settle } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), GONE);
  const deadLetter = await client.manager.streams.getMessage(DLQ, { seq: 1 });
  expect(deadLetter.string()).toBe('{"n":0}');
  expect(deadLetter.header.get('order')).toBe('0');
});

test('the server announces the end of a message with the reason of its dead letter', async () => {
  const advisories: { reason?: string }[] = [];
  client.connection.subscribe('$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>', {
    callback: (_error, message) => void advisories.push(message.json()),
  });
  const { next, settle } = await startSettling(client);
  await publish(client, 1);
  await settle(await next(), GONE);
  await until(() => advisories[0]?.reason === 'gone');
});

test('a message is requeued if the dead-letter stream is full, which is logged once, and its dead letter is stored once there is space', async () => {
  const log = recordedLog();
  const { settlement, next, settle } = await startSettling(client, {
    worker: await connectTo(server.url, { log }),
  });
  const { config } = await client.manager.streams.info(DLQ);
  await client.manager.streams.update(DLQ, { ...config, max_bytes: 1 });
  await publish(client, 2);
  expect(await settle(await next(), GONE)).toMatchObject({ kind: 'requeued' });
  expect(await settle(await next(1), GONE)).toMatchObject({ kind: 'requeued' });
  expect(settlement.problem()).toContain(DLQ);
  expect(await stored(STREAM)).toBe(2);
  await client.manager.streams.update(DLQ, { ...config, max_bytes: -1 });
  expect([await settle(await next(2), GONE), await settle(await next(3), GONE)]).toEqual([GONE, GONE]);
  expect(settlement.problem()).toBe(null);
  expect(log.events.filter(({ msg }) => msg.startsWith('dead_letter.'))).toEqual([
    {
      level: 'error',
      msg: 'dead_letter.store_failed',
      error: expect.stringMatching(`^dead letter not stored in ${DLQ}`),
      hint: expect.stringContaining('keeps the message and tries again'),
    },
    { level: 'info', msg: 'dead_letter.recovered' },
  ]);
  expect([await stored(DLQ), await stored(STREAM)]).toEqual([2, 0]);
});

test('a dead letter that could not be stored is no problem any more after 30 s, because another worker may have stored it', async () => {
  const { settlement, next, settle, clock } = await startSettling(client);
  await client.manager.streams.delete(DLQ);
  await publish(client, 1);
  await settle(await next(), GONE);
  expect(settlement.problem()).toContain(DLQ);
  clock.skip(30_000);
  expect(settlement.problem()).toBe(null);
});

test('a message has its stream, its sequence and its delivery count', async () => {
  const { next } = await startSettling(client);
  await publish(client, 2);
  await next(1);
  expect(await next()).toMatchObject({
    subject: 'webhooks.orders',
    stream: STREAM,
    sequence: 1,
    deliveryCount: 1,
    streamCreatedAt: 7,
  });
});

test('a NATS header is found whatever the case of its name', async () => {
  const { next } = await startSettling(client);
  await publish(client, 1);
  const message = await next();
  expect(message.header('order')).toBe('0');
  expect(message.header('Order')).toBe('0');
  expect(message.header('Orders')).toBeUndefined();
  expect([...message.headers()]).toEqual([['order', ['0']]]);
});

test('a message without headers has none', async () => {
  const { next } = await startSettling(client);
  client.connection.publish('webhooks.orders', '{}');
  const message = await next();
  expect(message.header('order')).toBeUndefined();
  expect([...message.headers()]).toEqual([]);
});

/** Publishes like a program that builds its headers itself. The server accepts any header. */
async function publishRaw(header: string): Promise<void> {
  const socket = connect(server.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const block = `NATS/1.0\r\n${header}\r\n\r\n`;
  const size = Buffer.byteLength(block);
  socket.resume();
  socket.write(
    `CONNECT {"verbose":false,"headers":true}\r\nHPUB webhooks.orders ${size} ${size + 2}\r\n${block}{}\r\n`,
  );
}

test.each([
  'X Y: 1',
  'Ключ: 1',
  'A\0: 1',
  'X: a\nb',
  'X: a\rb',
])('an invalid NATS header (%j) is left out, and prevents neither the other headers nor a dead letter', async (invalid) => {
  const { next, settle } = await startSettling(client);
  await publishRaw(`before: 1\r\n${invalid}\r\nNats-Msg-Id: ключ`);
  const message = await next();
  expect(message.header('Nats-Msg-Id')).toBe('ключ');
  expect([...message.headers()]).toEqual([
    ['before', ['1']],
    ['Nats-Msg-Id', ['ключ']],
  ]);
  expect(await settle(message, GONE)).toEqual(GONE);
  expect([await stored(DLQ), await stored(STREAM)]).toEqual([1, 0]);
});
