import { headers } from 'nats';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { startLink } from '../connection/link.ts';
import { publish, STREAM } from '../group.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount, recordedLog } from '../servers.ts';
import { KEY, lastCopy, PARKED, parking, SUBJECT, startScene, stored } from './parking-scene.ts';

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

/** Sends the first message whose subject fits without a reply subject, so that its answer is lost. */
function loseFirstAnswer(of: NatsClient, fits: (subject: string) => boolean): void {
  const { connection } = of;
  const publishAsIs = connection.publish.bind(connection);
  let lost = false;
  connection.publish = (subject, data, options = {}) => {
    if (lost || !fits(subject)) return publishAsIs(subject, data, options);
    lost = true;
    const { reply: _, ...rest } = options;
    publishAsIs(subject, data, rest);
  };
}

test('a message is copied into the parked stream, and is removed from its stream once the copy is confirmed', async () => {
  const { writer, main } = await startScene(client);
  await publish(client, 1);
  expect(await writer.park(await main.next(), parking())).toBe('parked');
  expect(await writer.flush(5000)).toBe(true);
  expect(await stored(client, STREAM)).toBe(0);
  expect((await lastCopy(client)).data.toString()).toBe('{"n":0}');
});

test('a copy whose confirmation is lost is sent again, and stored once', async () => {
  const { writer, main } = await startScene(client);
  await publish(client, 1);
  loseFirstAnswer(client, (subject) => subject === SUBJECT);
  expect(await writer.park(await main.next(), parking())).toBe('parked');
  await writer.flush(5000);
  expect([await stored(client, STREAM), await stored(client, PARKED)]).toEqual([0, 1]);
});

test('the ack of the source is sent again until the server confirms it', async () => {
  const { writer, main } = await startScene(client);
  await publish(client, 1);
  const message = await main.next();
  const acks: string[] = [];
  client.connection.subscribe('$JS.ACK.>', { callback: (_, message) => void acks.push(message.string()) });
  loseFirstAnswer(client, (subject) => subject === message.reply);
  await writer.park(message, parking());
  expect(await writer.flush(100)).toBe(false);
  expect(await writer.flush(10_000)).toBe(true);
  expect(acks).toEqual(['+ACK', '+ACK']);
});

test('a message that comes again after its URL was split off has one copy', async () => {
  const { writer, main } = await startScene(client);
  await publish(client, 1);
  const message = await main.next();
  await writer.park(message, parking());
  await writer.park(message, parking({ endpointKey: 'example-com-11111111', lastingKey: KEY }));
  expect(await stored(client, PARKED)).toBe(1);
});

test('a message that is parked for two endpoints has two copies', async () => {
  const { writer, main } = await startScene(client);
  await publish(client, 1);
  const message = await main.next();
  await Promise.all(
    [KEY, 'other-com-00000000'].map((endpointKey) => writer.park(message, parking({ endpointKey }))),
  );
  expect(await stored(client, PARKED)).toBe(2);
});

test('nothing is acked if the source stream was recreated meanwhile', async () => {
  const { writer, main } = await startScene(client, { isGone: () => true });
  await publish(client, 1);
  expect(await writer.park(await main.next(), parking())).toBe('parked');
  expect(await writer.flush(0)).toBe(true);
  expect(await stored(client, STREAM)).toBe(1);
});

test('a park fails if the parked stream is full, which is logged once, and once more when a message is parked again', async () => {
  const log = recordedLog();
  const worker = await connectTo(server.url, { ...login, log });
  const { writer, main } = await startScene(client, { worker });
  const { config } = await client.manager.streams.info(PARKED);
  await client.manager.streams.update(PARKED, { ...config, max_msgs: 1 });
  await publish(client, 3);
  await main.next(2);
  const results = await Promise.all(main.messages.map((message) => writer.park(message, parking())));
  const detail = `the stream refuses the message to parked.${STREAM}.>: maximum messages exceeded (10077); deliver or remove messages, or raise its limits with \`nats stream edit\``;
  const why = `webhook not parked in ${PARKED}: ${detail}`;
  expect(results).toEqual(['parked', { failed: why }, { failed: why }]);
  expect(writer.problem()).toBe(why);
  await writer.flush(5000);
  expect(await stored(client, STREAM)).toBe(2);
  await client.manager.streams.purge(PARKED);
  expect(await writer.park(main.messages[1]!, parking())).toBe('parked');
  expect(writer.problem()).toBe(null);
  expect(log.events.filter(({ msg }) => msg.startsWith('parking.'))).toEqual([
    {
      level: 'error',
      msg: 'parking.failed',
      stream: PARKED,
      error: detail,
      hint: expect.stringContaining('keeps the message and tries again'),
    },
    { level: 'info', msg: 'parking.recovered', stream: PARKED },
  ]);
});

test('a park fails soon if the parked stream is gone', async () => {
  const { writer, main } = await startScene(client, { retryForMs: 60_000 });
  await client.manager.streams.delete(PARKED);
  await publish(client, 2);
  await main.next(1);
  const results = await Promise.all(main.messages.map((message) => writer.park(message, parking())));
  for (const result of results) {
    expect(result).toEqual({
      failed: expect.stringContaining(`no stream carries the subject parked.${STREAM}.>`),
    });
  }
  expect(await stored(client, STREAM)).toBe(2);
});

test('a park fails if NATS does not confirm the copy in time, and a second park stores no second copy', async () => {
  const link = await startLink(server.port);
  const worker = await connectTo(link.url, login);
  const { writer, main } = await startScene(client, { worker, retryForMs: 300 });
  await publish(client, 1);
  const message = await main.next();
  link.swallow();
  expect(await writer.park(message, parking())).toEqual({
    failed: expect.stringContaining('did not confirm'),
  });
  expect(writer.problem()).toContain('within 300 ms');
  link.cut();
  await until(async () => (await writer.park(message, parking())) === 'parked');
  expect(await stored(client, PARKED)).toBe(1);
});

test('a broken link during parks neither loses nor duplicates a message', async () => {
  const link = await startLink(server.port);
  const worker = await connectTo(link.url, login);
  const { writer, main } = await startScene(client, { worker });
  await publish(client, 1000);
  await main.next(999);
  const parks = main.messages.slice(0, 1000).map((message) => writer.park(message, parking()));
  await Promise.race(parks);
  link.cut();
  expect(new Set(await Promise.all(parks))).toEqual(new Set(['parked']));
  expect(await writer.flush(20_000)).toBe(true);
  expect([await stored(client, STREAM), await stored(client, PARKED)]).toEqual([0, 1000]);
});

test('a nats-server that is killed and started again during parks neither loses nor duplicates a message', async () => {
  const own = await startTestNats();
  const ours = await connectTo(own.url);
  const { writer, main } = await startScene(ours, { retryForMs: 30_000 });
  await publish(ours, 1000);
  await main.next(999);
  const parks = main.messages.slice(0, 1000).map((message) => writer.park(message, parking()));
  await Promise.race(parks);
  await own.kill();
  await own.restart();
  expect(new Set(await Promise.all(parks))).toEqual(new Set(['parked']));
  expect(await writer.flush(20_000)).toBe(true);
  await until(async () => (await stored(ours, STREAM)) === 0);
  expect(await stored(ours, PARKED)).toBe(1000);
});

test('a park fails if the user may not publish copies, and the failure names the subject', async () => {
  const config = `authorization { users: [
    { user: all, password: x }
    { user: limited, password: x, permissions: { publish: { deny: ["parked.>"] } } }
  ] }`;
  const own = await startTestNats({ config });
  const worker = await connectTo(own.url, { user: 'limited', pass: 'x' });
  const all = await connectTo(own.url, { user: 'all', pass: 'x' });
  const { writer, main } = await startScene(all, { worker });
  await publish(all, 1);
  expect(await writer.park(await main.next(), parking())).toEqual({
    failed: `webhook not parked in ${PARKED}: NATS denies our user the right to publish to "${SUBJECT}"`,
  });
});

test('a message whose copy would be too large for NATS does not fit, and is no problem for other messages', async () => {
  const { writer, main } = await startScene(client);
  const most = client.connection.info!.max_payload;
  await client.connection.request('webhooks.orders', new Uint8Array(most), { timeout: 5000 });
  await client.connection.request('webhooks.orders', new Uint8Array(most - 2048), { timeout: 5000 });
  await main.next(1);
  expect(main.messages.map((message) => writer.copyObstacle(message))).toEqual([
    expect.stringContaining(`the limit is ${most}`),
    null,
  ]);
  expect(await writer.park(main.messages[0]!, parking())).toEqual({
    failed: expect.stringContaining('larger than NATS'),
  });
  expect(writer.problem()).toBe(null);
  expect(await writer.park(main.messages[1]!, parking({ deliveryId: 'x'.repeat(255) }))).toBe('parked');
});

test('a park in progress fails when the writer is stopped', async () => {
  const link = await startLink(server.port);
  const worker = await connectTo(link.url, login);
  const { writer, main } = await startScene(client, { worker });
  await publish(client, 1);
  const message = await main.next();
  link.swallow();
  const park = writer.park(message, parking());
  writer.stop();
  expect(await park).toEqual({ failed: expect.any(String) });
  link.cut();
});

test('a message with a Nats-Msg-Id can be parked within the duplicate window of that id', async () => {
  const { writer, main } = await startScene(client);
  const withId = headers();
  withId.set('Nats-Msg-Id', 'order-1');
  await client.connection.request('webhooks.orders', '{}', { headers: withId, timeout: 5000 });
  expect(await writer.park(await main.next(), parking())).toBe('parked');
  expect(await stored(client, PARKED)).toBe(1);
});
