import { AckPolicy, RetentionPolicy } from 'nats';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { openScene, type Scene, startEndpoint, stopWorker } from './scene.ts';

/** Creates what reference workers leave behind: a stream that keeps delivered messages, and one durable per worker. */
async function createLeftovers(scene: Scene, url: string) {
  await scene.manager.streams.add({
    name: 'WEBHOOKS',
    subjects: ['webhooks.*'],
    retention: RetentionPolicy.Limits,
  });
  const names = ['webhook-worker-1', 'webhook-worker-2'];
  for (const name of names) {
    await scene.manager.consumers.add('WEBHOOKS', {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      max_deliver: 3,
      filter_subject: 'webhooks.*',
    });
  }
  await scene.publishMany(10, url);
  // The first worker has delivered 6 messages, the second worker 8.
  for (const [index, count] of [6, 8].entries()) {
    const consumer = await scene.js.consumers.get('WEBHOOKS', names[index]!);
    for await (const message of await consumer.fetch({ max_messages: count })) await message.ackAck();
  }
}

describe('a worker that replaces the reference worker', () => {
  it('delivers the messages that the slowest old durable has not acknowledged, and keeps the old durables', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    await createLeftovers(scene, endpoint.url);
    const worker = await scene.startWorker({ CONSUMER_NAME: 'webhook-worker-1' });
    await until(() => endpoint.requests.length >= 4);
    await stopWorker(worker);
    expect(endpoint.requests.map(({ body }) => JSON.parse(String(body)).number).sort()).toEqual([6, 7, 8, 9]);
    const durables = (await scene.manager.consumers.list('WEBHOOKS').next()).map(({ name }) => name);
    expect(durables.sort()).toEqual(['webhook-worker-1', 'webhook-worker-2', 'webhook-workers']);
  });

  it('adds to the row that the reference worker has written in rule_nats_consumer_stats', async () => {
    const scene = await openScene();
    const migrate = await runProgram(['migrate'], { env: scene.env });
    await migrate.waitForExit();
    await scene.query(
      `INSERT INTO rule_nats_consumer_stats (stream_name, consumer_name, queue_group, ack_policy, max_deliver,
         messages_delivered, messages_acknowledged, avg_processing_time_ms)
       VALUES ('WEBHOOKS', 'webhook-worker-1', 'webhook-workers', 'explicit', 3, 1000, 985, 45.23)`,
    );
    const endpoint = await startEndpoint();
    const worker = await scene.startWorker({ CONSUMER_NAME: 'webhook-worker-1' });
    await scene.publishMany(5, endpoint.url);
    await until(() => endpoint.requests.length === 5);
    await stopWorker(worker);
    const rows = await scene.query(
      `SELECT messages_delivered::int AS delivered, messages_acknowledged::int AS acknowledged FROM rule_nats_consumer_stats`,
    );
    expect(rows).toEqual([{ delivered: 1005, acknowledged: 990 }]);
  });

  it('ends if a push consumer has the name of the group, and names the consumer and the cure', async () => {
    const scene = await openScene();
    await scene.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
    await scene.manager.consumers.add('WEBHOOKS', {
      durable_name: 'webhook-workers',
      deliver_subject: 'somewhere',
      ack_policy: AckPolicy.Explicit,
    });
    const worker = await runProgram(['worker'], { env: scene.env });
    expect(await worker.waitForExit()).toEqual({ code: 1, signal: null });
    expect(worker.stderr.join('\n')).toMatch(/webhook-workers.*push/s);
    expect(worker.stderr.join('\n')).toContain('nats consumer rm WEBHOOKS webhook-workers');
  });

  it('accepts the settings in the README of the reference worker', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    const worker = await scene.startWorker({
      NATS_USER: '',
      NATS_PASS: '',
      STREAM_NAME: 'WEBHOOKS',
      CONSUMER_NAME: 'webhook-worker-1',
      QUEUE_GROUP: 'webhook-workers',
      SUBJECT: 'webhooks.*',
      BATCH_SIZE: '10',
    });
    await scene.publish({
      webhook_url: endpoint.url,
      data: { event: 'user.created', user_id: 123, timestamp: '2024-01-15T10:30:00Z' },
      headers: { 'X-Event-Type': 'user.created', Authorization: 'Bearer token123' },
    });
    await until(() => endpoint.requests.length === 1);
    expect(endpoint.requests[0]!.headers).toMatchObject({
      authorization: 'Bearer token123',
      'x-event-type': 'user.created',
    });
    await stopWorker(worker);
  });
});
