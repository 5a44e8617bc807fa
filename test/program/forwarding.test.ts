import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { type ConvoyEvent, startConvoy } from './convoy-stand-in.ts';
import { manualBlock } from './manual.ts';
import { deadLetterOf, openScene, type Scene, stopWorker } from './scene.ts';
import type { StandIn } from './stand-in.ts';
import { startSvix } from './svix-stand-in.ts';

const EVENT = '{"type":"user.created","project":"dev","user":{"id":12345678901234567890,"balance":1.00}}';

let scene: Scene;
let svix: Awaited<ReturnType<typeof startSvix>>;
let convoy: StandIn & { readonly events: readonly ConvoyEvent[] };
beforeAll(async () => {
  scene = await openScene();
  await stopWorker(await scene.startWorker());
  svix = await startSvix('SVIX_TOKEN', ['dev', 'stage']);
  convoy = await startConvoy('CONVOY_KEY', 'PROJECT_ID');
  // The rows are the ones in the manual, with the URLs of the fakes.
  await scene.query(manualBlock('-- Svix').replace('https://api.svix.com', svix.url));
  await scene.query(manualBlock('-- Convoy').replace('https://us.getconvoy.cloud', convoy.url));
  await scene.query('UPDATE rule_webhooks SET retry_delay_ms = 10, max_retries = 1');
  await scene.startWorker();
});

const publish = (subject: string, id: string, event = EVENT) =>
  scene.publish(Buffer.from(event), { subject, headers: { 'Nats-Msg-Id': id } });

/** Resolves to the row of a webhook in `nats_deliveries` once it is delivered, and to its attempts. */
async function delivered(id: string) {
  const delivery = await until(async () => {
    const [row] = await scene.query('SELECT * FROM nats_deliveries WHERE delivery_id = $1', [id]);
    return row?.status === 'delivered' && row;
  });
  const attempts = await scene.query(
    'SELECT status, error, verdict, response_excerpt FROM rule_nats_delivery_attempts WHERE delivery_id = $1 ORDER BY attempt_number',
    [id],
  );
  return { delivery, attempts };
}

describe('a row that forwards to Svix', () => {
  it("makes each event a message of its project's application, and keeps its numbers as they are written", async () => {
    await publish('webhooks.users', 'svix-1');
    await publish('webhooks.users', 'svix-2', EVENT.replace('"dev"', '"stage"'));
    await Promise.all([delivered('svix-1'), delivered('svix-2')]);
    expect(svix.messages).toContainEqual({
      application: 'dev',
      eventType: 'user.created',
      eventId: 'svix-1',
      text: `{"eventType": "user.created", "eventId": "svix-1", "payload": ${EVENT}}`,
    });
    expect(svix.messages.find(({ eventId }) => eventId === 'svix-2')).toMatchObject({ application: 'stage' });
  });

  it('counts the 409 answer to a repeated event as delivered, and records no failure', async () => {
    svix.loseNextAnswer();
    await publish('webhooks.users', 'svix-repeated');
    const { delivery, attempts } = await delivered('svix-repeated');
    expect(delivery).toMatchObject({ attempts: 2, last_status: 409, dead_letter_reason: null });
    expect(attempts[1]).toEqual({ status: 409, error: null, verdict: 'ack', response_excerpt: null });
    expect(svix.messages.filter(({ eventId }) => eventId === 'svix-repeated')).toHaveLength(1);
    expect(
      await scene.query(`SELECT FROM rule_nats_publish_history WHERE message_id = 'svix-repeated'`),
    ).toEqual([]);
  });

  it('dead-letters an event that Svix rejects, and records the answer of Svix', async () => {
    const sequence = await publish(
      'webhooks.users',
      'svix-422',
      EVENT.replace('user.created', 'user created'),
    );
    const deadLetter = await deadLetterOf(scene, sequence);
    expect(deadLetter.header.get('Webhook-Dead-Letter-Detail')).toBe('HTTP 422');
    await until(async () => {
      const [attempt] = await scene.query(
        `SELECT response_excerpt FROM rule_nats_delivery_attempts WHERE delivery_id = 'svix-422'`,
      );
      return attempt?.response_excerpt.includes('"loc":["body","eventType"]');
    });
  });

  it('sends nothing if the payload names no project', async () => {
    const before = svix.answers.length;
    const deadLetter = await deadLetterOf(
      scene,
      await publish('webhooks.users', 'svix-none', '{"type":"user.created"}'),
    );
    expect(deadLetter.header.get('Webhook-Dead-Letter-Reason')).toBe('malformed');
    expect(deadLetter.header.get('Webhook-Dead-Letter-Detail')).toBe(
      'rule_webhooks, webhook_name "svix": url: {project} is not in the payload',
    );
    expect(svix.answers.length).toBe(before);
  });
});

describe('a row that creates applications at Svix', () => {
  it('creates the application of a project that is missing, and the event is delivered by a retry at the latest', async () => {
    await scene.query(
      manualBlock('-- The application of a project').replace('https://api.svix.com', svix.url),
    );
    await scene.query(
      `UPDATE rule_webhooks SET retry_delay_ms = 10 WHERE webhook_name = 'svix-applications'`,
    );
    await scene.query(
      `UPDATE rule_webhooks SET max_retries = 3, retry_delay_ms = 1000 WHERE webhook_name = 'svix'`,
    );
    // Workers have both rows once both get a copy of a message.
    await until(async () => {
      await publish('webhooks.users', randomUUID());
      return svix.answers.some(({ status }) => status === 200);
    });
    for (const id of ['svix-new-1', 'svix-new-2'])
      await publish('webhooks.users', id, EVENT.replace('"dev"', '"brand-new"'));
    const arrived = (id: string) => svix.messages.find(({ eventId }) => eventId === id);
    await until(() => arrived('svix-new-1') && arrived('svix-new-2'));
    expect(arrived('svix-new-1')).toMatchObject({ application: 'brand-new' });
    expect(svix.applications.filter((uid) => uid === 'brand-new')).toHaveLength(1);
  });
});

describe('a row that forwards to Convoy', () => {
  it('makes each event a Convoy event of the endpoint, and keeps its numbers as they are written', async () => {
    await publish('webhooks.invoices', 'convoy-1', EVENT.replace('user.created', 'invoice.paid'));
    await delivered('convoy-1');
    expect(convoy.events[0]).toMatchObject({
      endpoint_id: 'ENDPOINT_ID',
      event_type: 'invoice.paid',
      custom_headers: { 'X-Subject': 'webhooks.invoices' },
      idempotency_key: 'convoy-1',
      text: expect.stringContaining(`"data": ${EVENT.replace('user.created', 'invoice.paid')}`),
    });
  });

  it('repeats an event with the same key, so that Convoy sends it once', async () => {
    convoy.loseNextAnswer();
    await publish('webhooks.invoices', 'convoy-repeated');
    const { delivery } = await delivered('convoy-repeated');
    expect(delivery).toMatchObject({ attempts: 2, last_status: 201 });
    const events = convoy.events.filter(({ idempotency_key }) => idempotency_key === 'convoy-repeated');
    expect(events.map((event) => event.is_duplicate_event)).toEqual([false, true]);
  });
});
