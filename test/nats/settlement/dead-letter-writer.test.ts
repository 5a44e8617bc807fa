import { headers, type StoredMsg } from 'nats';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import type { HeaderEntries } from '../../../src/nats/messages/headers.ts';
import { createDeadLetterWriter, type DeadLetter } from '../../../src/nats/settlement/dead-letter-writer.ts';
import { ensureInternalStream } from '../../../src/nats/streams/internal-stream.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount, refusal } from '../servers.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url, freshAccount().all);
});

const DLQ = { name: 'WEBHOOKS_DLQ', sourceStream: 'WEBHOOKS', replicas: 1 };
const CREATED = 1_790_000_000_000;
const SUBJECT = `dlq.WEBHOOKS.${CREATED}.7.example-com-0a1b2c3d`;

const deadLetter = (more: Partial<DeadLetter> = {}): DeadLetter => ({
  orderedStream: null,
  sourceStreamCreatedAt: CREATED,
  sequence: 7,
  endpointKey: 'example-com-0a1b2c3d',
  webhookId: null,
  deliveryId: 'orders:1',
  reason: 'exhausted',
  detail: 'HTTP 500',
  attempts: 7,
  originalSubject: 'webhooks.orders',
  at: CREATED,
  messageHeaders: [],
  data: new TextEncoder().encode('{"n":12345678901234567890, "a":1.0}'),
  ...more,
});

async function writer(of: NatsClient = client, group = 'webhook-workers') {
  await ensureInternalStream(of, 'deadLetters', DLQ);
  return createDeadLetterWriter(of, {
    streamName: DLQ.name,
    owner: { sourceStream: DLQ.sourceStream, group },
  });
}

const stored = (subject = SUBJECT) => client.manager.streams.getMessage(DLQ.name, { last_by_subj: subject });
const count = async () => (await client.manager.streams.info(DLQ.name)).state.messages;

/**
 * Waits until a stream with a short duplicate window has forgotten the `Nats-Msg-Id` of every dead letter, as it does after
 * two minutes otherwise. The stream forgets ids in order, so the id of this probe is the last one.
 */
async function messageIdForgotten(): Promise<void> {
  const probe = headers();
  probe.set('Nats-Msg-Id', 'probe');
  await client.connection.request('dlq.WEBHOOKS.probe', '', { headers: probe, timeout: 5000 });
  await until(async () => {
    const answer = await client.connection.request('dlq.WEBHOOKS.probe', '', {
      headers: probe,
      timeout: 5000,
    });
    return answer.json<{ duplicate?: boolean }>().duplicate !== true;
  });
}

test('the dead-letter stream keeps one message per subject without a time limit, and refuses a second one', async () => {
  expect(await ensureInternalStream(client, 'deadLetters', DLQ)).toEqual({
    isNew: true,
    createdAt: expect.any(Number),
    canFill: false,
    warnings: [],
  });
  expect((await client.manager.streams.info(DLQ.name)).config).toMatchObject({
    subjects: ['dlq.WEBHOOKS.>'],
    retention: 'limits',
    storage: 'file',
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msgs_per_subject: 1,
    discard: 'new',
    discard_new_per_subject: true,
    allow_direct: true,
  });
});

test('workers that create the dead-letter stream at the same time all find it', async () => {
  const found = await Promise.all([1, 2, 3, 4].map(() => ensureInternalStream(client, 'deadLetters', DLQ)));
  expect(found.flatMap(({ warnings }) => warnings)).toEqual([]);
});

test('an existing dead-letter stream is not changed, and the warnings name what it may lose', async () => {
  await client.manager.streams.add({ name: DLQ.name, subjects: ['dlq.>'], max_msgs: 100, max_age: 1e12 });
  const { isNew, warnings } = await ensureInternalStream(client, 'deadLetters', DLQ);
  expect(isNew).toBe(false);
  expect(warnings).toEqual([
    expect.stringContaining('may keep a dead letter twice'),
    expect.stringContaining('can become full'),
    expect.stringContaining('removes dead letters after some time'),
  ]);
});

test('a dead-letter stream without our subject is refused, with the cure', async () => {
  await client.manager.streams.add({ name: DLQ.name, subjects: ['something.else'] });
  expect(await refusal(ensureInternalStream(client, 'deadLetters', DLQ))).toMatch(
    /DLQ_STREAM_NAME: .* does not carry dlq\.WEBHOOKS\.>/,
  );
});

test('a dead letter keeps the bytes of its message', async () => {
  expect(await (await writer()).write(deadLetter())).toBe('stored');
  expect((await stored()).string()).toBe('{"n":12345678901234567890, "a":1.0}');
});

test('the headers of a dead letter say what happened', async () => {
  await (await writer()).write(deadLetter());
  const { header } = await stored();
  expect(Object.fromEntries(header.keys().map((name) => [name, header.get(name)]))).toEqual({
    'Nats-Msg-Id': `WEBHOOKS:${CREATED}:7:example-com-0a1b2c3d`,
    'Webhook-Delivery-Id': 'orders:1',
    'Webhook-Dead-Letter-Reason': 'exhausted',
    'Webhook-Dead-Letter-Detail': 'HTTP 500',
    'Webhook-Dead-Lettered-At': '2026-09-21T14:13:20.000Z',
    'Webhook-Attempts': '7',
    'Webhook-Original-Subject': 'webhooks.orders',
    'Webhook-Original-Stream': 'WEBHOOKS',
    'Webhook-Original-Sequence': '7',
  });
});

test('the dead letter of a row names the row; one without a row names the row that its publisher chose', async () => {
  const messageHeaders: HeaderEntries = [['Webhook-Endpoint-Id', ['4']]];
  const writing = await writer();
  await writing.write(deadLetter({ webhookId: 4978, messageHeaders }));
  await writing.write(deadLetter({ sequence: 8, messageHeaders }));
  await writing.write(deadLetter({ sequence: 9 }));
  const headers = async (sequence: number) =>
    (await stored(SUBJECT.replace('.7.', `.${sequence}.`))).header.values('Webhook-Endpoint-Id');
  expect([await headers(7), await headers(8), await headers(9)]).toEqual([['4978'], ['4'], []]);
});

test('a dead letter keeps the headers of its message, also several with the same name', async () => {
  const messageHeaders: HeaderEntries = [
    ['traceparent', ['00-abc']],
    ['X-Tag', ['a', 'b']],
  ];
  await (await writer()).write(deadLetter({ messageHeaders }));
  const { header } = await stored();
  expect([header.values('traceparent'), header.values('X-Tag')]).toEqual([['00-abc'], ['a', 'b']]);
});

test('headers that control the server are kept under another name', async () => {
  const messageHeaders: HeaderEntries = [
    ['Nats-Msg-Id', ['orders:1']],
    ['Nats-Expected-Stream', ['WEBHOOKS']],
    ['Nats-Rollup', ['all']],
    ['Nats-TTL', ['1s']],
  ];
  expect(await (await writer()).write(deadLetter({ messageHeaders }))).toBe('stored');
  const { header } = await stored();
  expect(header.keys().filter((name) => name.startsWith('Nats-'))).toEqual(['Nats-Msg-Id']);
  expect(header.get('Webhook-Original-Nats-Msg-Id')).toBe('orders:1');
  expect(header.get('Webhook-Original-Nats-TTL')).toBe('1s');
});

test('a message for two endpoints can have two dead letters', async () => {
  const writing = await writer();
  for (const endpointKey of ['one-0a1b2c3d', 'two-0a1b2c3d']) {
    expect(await writing.write(deadLetter({ endpointKey }))).toBe('stored');
    expect((await stored(`dlq.WEBHOOKS.${CREATED}.7.${endpointKey}`)).seq).toBeGreaterThan(0);
  }
});

test('a message for two groups can have two dead letters', async () => {
  expect(await (await writer()).write(deadLetter())).toBe('stored');
  expect(await (await writer(client, 'shop')).write(deadLetter())).toBe('stored');
  expect((await stored(`dlq.WEBHOOKS.${CREATED}.7.group.shop.example-com-0a1b2c3d`)).seq).toBe(2);
});

test('a dead letter without an endpoint is stored too', async () => {
  await (await writer()).write(deadLetter({ endpointKey: 'none', reason: 'malformed' }));
  expect((await stored(`dlq.WEBHOOKS.${CREATED}.7.none`)).header.get('Webhook-Dead-Letter-Reason')).toBe(
    'malformed',
  );
});

test('a detail of several lines, and long, becomes one short line', async () => {
  await (await writer()).write(deadLetter({ detail: `first\r\nX-Evil: yes\0 ${'ü'.repeat(2000)}` }));
  const detail = (await stored()).header.get('Webhook-Dead-Letter-Detail');
  expect(detail).toMatch(/^first X-Evil: yes ü+…$/);
  expect(detail).toHaveLength(512);
});

test('a dead letter that is written twice is stored once', async () => {
  const { write } = await writer();
  expect([await write(deadLetter()), await write(deadLetter())]).toEqual(['stored', 'alreadyStored']);
  expect(await count()).toBe(1);
});

test('a dead letter that is written again long after the duplicate window is stored once', async () => {
  const { write } = await writer();
  await client.manager.streams.update(DLQ.name, { duplicate_window: 100_000_000 });
  await write(deadLetter());
  await messageIdForgotten();
  expect(await write(deadLetter())).toBe('alreadyStored');
  expect((await stored()).header.get('Nats-Msg-Id')).toBe(`WEBHOOKS:${CREATED}:7:example-com-0a1b2c3d`);
});

test('the same sequence of a recreated stream is another dead letter', async () => {
  const { write } = await writer();
  await write(deadLetter());
  expect(await write(deadLetter({ sourceStreamCreatedAt: CREATED + 1, deliveryId: 'orders:2' }))).toBe(
    'stored',
  );
  expect(await count()).toBe(2);
});

test('a dead letter of an ordered webhook is never taken for the dead letter of another webhook', async () => {
  const { write } = await writer();
  await write(deadLetter());
  const ordered = deadLetter({ orderedStream: 'WEBHOOKS_ORDERED' });
  expect([await write(ordered), await write(ordered)]).toEqual(['stored', 'alreadyStored']);
  expect(await count()).toBe(2);
  const { header } = await stored(`dlq.WEBHOOKS.WEBHOOKS_ORDERED.${CREATED}.7.example-com-0a1b2c3d`);
  expect(header.get('Webhook-Original-Stream')).toBe('WEBHOOKS_ORDERED');
});

test('a full stream stores no dead letter, and the failure says so', async () => {
  const { write } = await writer();
  await write(deadLetter());
  await client.manager.streams.update(DLQ.name, { max_msgs: 1 });
  const result = await write(deadLetter({ sequence: 8, deliveryId: 'orders:2' }));
  expect(result).toEqual({ failed: expect.stringMatching(/not stored in WEBHOOKS_DLQ: .*maximum messages/) });
});

test('a full stream recognises a dead letter that is already stored', async () => {
  const { write } = await writer();
  await client.manager.streams.update(DLQ.name, { duplicate_window: 100_000_000 });
  await write(deadLetter());
  await messageIdForgotten();
  await client.manager.streams.update(DLQ.name, { max_msgs: 1 });
  expect(await write(deadLetter())).toBe('alreadyStored');
});

test('a message with another delivery id on the same subject is not taken for our dead letter', async () => {
  const { write } = await writer();
  await client.connection.jetstream().publish(SUBJECT, 'of another program');
  expect(await write(deadLetter())).toEqual({ failed: expect.stringContaining('not stored') });
});

test('a dead letter is not stored if the stream is gone, and the failure says so', async () => {
  const { write } = await writer();
  await client.manager.streams.delete(DLQ.name);
  expect(await write(deadLetter())).toEqual({ failed: expect.stringContaining('no stream carries') });
});

test('a dead letter is not stored if even its parts are too large for the stream, and the failure contains the cure', async () => {
  const { write } = await writer();
  await client.manager.streams.update(DLQ.name, { max_msg_size: 100 });
  expect(await write(deadLetter())).toEqual({ failed: expect.stringContaining('raise its max_msg_size') });
});

test('a dead letter is stored even if the server restarts meanwhile', async () => {
  const other = await startTestNats();
  const here = await connectTo(other.url);
  const { write } = await writer(here);
  await other.kill();
  const writing = write(deadLetter());
  await other.restart();
  expect(await writing).toBe('stored');
});

/** The message of a dead letter that is stored in parts, with its headers, as NATS transmits it. */
async function joined(stream: string, head: StoredMsg): Promise<string> {
  const parts = Number(head.header.get('Webhook-Dead-Letter-Parts'));
  const bytes: Uint8Array[] = [];
  for (let number = 1; number <= parts; number++) {
    const subject = `${SUBJECT}.${head.header.get('Webhook-Dead-Letter-Part-Bytes')}.${number}`;
    bytes.push((await client.manager.streams.getMessage(stream, { last_by_subj: subject })).data);
  }
  return Buffer.concat(bytes).toString();
}

test('a dead letter that is too large for one message is stored in parts, which together are its message with the headers', async () => {
  const largest = client.connection.info!.max_payload;
  const data = Buffer.alloc(largest - 100, 'x');
  const { write } = await writer();
  const large = deadLetter({ data, messageHeaders: [['Nats-Msg-Id', ['orders:1']]] });
  expect(await write(large)).toBe('stored');
  const head = await stored();
  expect(head.data).toHaveLength(0);
  expect(head.header.get('Webhook-Dead-Letter-Reason')).toBe('exhausted');
  expect(await joined(DLQ.name, head)).toBe(`NATS/1.0\r\nNats-Msg-Id: orders:1\r\n\r\n${data}`);
  const storedMessages = await count();
  expect(await write(large)).toBe('alreadyStored');
  expect(await count()).toBe(storedMessages);
});

test('the parts of a dead letter are not larger than the dead-letter stream takes', async () => {
  const { write } = await writer();
  await client.manager.streams.update(DLQ.name, { max_msg_size: 5000 });
  const data = Buffer.alloc(20_000, 'x');
  expect(await write(deadLetter({ data }))).toBe('stored');
  expect(await joined(DLQ.name, await stored())).toBe(`NATS/1.0\r\n\r\n${data}`);
});
