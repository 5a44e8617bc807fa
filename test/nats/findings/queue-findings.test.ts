import { AckPolicy, RetentionPolicy } from 'nats';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { ensureParkedConsumer } from '../../../src/nats/consumers/parked-queues.ts';
import { readQueueFindings } from '../../../src/nats/findings/queue-findings.ts';
import { ensureInternalStream } from '../../../src/nats/streams/internal-stream.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount } from '../servers.ts';
import { WANTED } from '../settlement/parking-scene.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

const [STREAM, PARKED] = [WANTED.sourceStream, WANTED.name];
let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url, freshAccount().all);
  const { streams } = client.manager;
  await streams.add({ name: STREAM, subjects: ['webhooks.*'], retention: RetentionPolicy.Limits });
  await ensureInternalStream(client, 'parked', WANTED);
});

const store = (key: string) => client.connection.request(`parked.${STREAM}.${key}`, '{}', { timeout: 5000 });

async function found(group = 'webhook-workers') {
  const owner = { sourceStream: STREAM, group };
  const read = await readQueueFindings(client, { owner, parked: PARKED, ordered: null });
  // An answer that is not known would look like no finding.
  expect(read.filter(({ findings }) => findings === null)).toEqual([]);
  return read.flatMap(({ findings }) => findings ?? []);
}

describe('copies of another group', () => {
  it('whose durable is gone are a problem, with the cure', async () => {
    await store('group.shop.a-0a1b2c3d');
    await store('group.shop.again.a-0a1b2c3d');
    await store('a-0a1b2c3d');
    const sentence =
      `The stream ${PARKED} holds webhooks of the group shop, which has no durable on the stream ${STREAM}, so nobody sends them: ` +
      'start a worker with QUEUE_GROUP=shop until they are sent, on a work queue with a SUBJECT that nobody publishes to.';
    expect(await found()).toEqual([{ sentence, isProblem: true }]);
    expect(await found('mail')).toEqual([{ sentence, isProblem: true }]);
    expect(await found('shop')).toEqual([]);
  });

  it('whose durable nobody pulls from are reported, and are no problem of this group', async () => {
    await store('group.shop.a-0a1b2c3d');
    const { manager, connection } = client;
    await manager.consumers.add(STREAM, { durable_name: 'shop', ack_policy: AckPolicy.Explicit });
    expect(await found()).toEqual([
      { sentence: expect.stringContaining('the group shop, of which no worker runs'), isProblem: false },
    ]);
    // A worker that waits for messages.
    const inbox = connection.subscribe('_INBOX.pull');
    connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.shop`,
      JSON.stringify({ batch: 1, expires: 30e9 }),
      { reply: '_INBOX.pull' },
    );
    await until(async () => (await found()).length === 0);
    inbox.unsubscribe();
  });

  it('whose workers are all busy are not reported', async () => {
    await store('group.shop.a-0a1b2c3d');
    const { manager, connection } = client;
    await manager.consumers.add(STREAM, { durable_name: 'shop', ack_policy: AckPolicy.Explicit });
    await connection.request('webhooks.a', '{}', { timeout: 5000 });
    const inbox = connection.subscribe('_INBOX.pull', { max: 1 });
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${STREAM}.shop`, JSON.stringify({ batch: 1 }), {
      reply: '_INBOX.pull',
    });
    for await (const _message of inbox);
    expect((await manager.consumers.info(STREAM, 'shop')).num_waiting).toBe(0);
    expect(await found()).toEqual([]);
  });

  it('without a group are reported to a named group only if the default group has a durable', async () => {
    await store('a-0a1b2c3d');
    expect(await found('shop')).toEqual([]);
    await client.manager.consumers.add(STREAM, {
      durable_name: 'webhook-workers',
      ack_policy: AckPolicy.Explicit,
    });
    expect(await found('shop')).toEqual([
      {
        sentence: expect.stringContaining('the group webhook-workers, of which no worker'),
        isProblem: false,
      },
    ]);
  });
});

describe('a durable of a queue that is paused', () => {
  const pause = async (group: string, queueKey: string) => {
    const owner = { sourceStream: STREAM, group };
    const made = await ensureParkedConsumer(client, {
      parkedStream: PARKED,
      owner,
      queueKey,
      ackWaitMs: 1000,
    });
    if ('failed' in made) throw new Error(made.failed);
    await client.manager.consumers.pause(PARKED, made.name, new Date(Date.now() + 3_600_000));
    return made.name;
  };

  it('is a problem of its group until it is resumed', async ({ skip }) => {
    if (/^2\.10\./.test(client.connection.info!.version)) skip('nats-server 2.10 has no pause of consumers');
    const name = await pause('webhook-workers', 'a-0a1b2c3d');
    expect(await found()).toEqual([
      {
        sentence: expect.stringMatching(
          new RegExp(`^The durable ${name} is paused until .*nats consumer resume ${PARKED} ${name}`),
        ),
        isProblem: true,
      },
    ]);
    expect(await found('shop')).toEqual([]);
    await client.manager.consumers.resume(PARKED, name);
    expect(await found()).toEqual([]);
    await pause('shop', 'a-0a1b2c3d');
    expect(await found()).toEqual([]);
    expect(await found('shop')).toHaveLength(1);
  });

  it('is named with nine others, and more are counted', async ({ skip }) => {
    if (/^2\.10\./.test(client.connection.info!.version)) skip('nats-server 2.10 has no pause of consumers');
    for (let number = 0; number < 12; number++) await pause('webhook-workers', `a-0a1b2c${10 + number}`);
    const sentences = (await found()).map(({ sentence }) => sentence);
    expect(sentences).toHaveLength(11);
    expect(sentences[10]).toBe(`2 more durables of the stream ${PARKED} are paused, and deliver nothing.`);
  });
});
