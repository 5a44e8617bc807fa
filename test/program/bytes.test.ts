import { beforeAll, describe, expect, it } from 'vitest';
import type { ReceivedRequest } from '../../src/receiver/receiver.ts';
import { until } from '../support/wait.ts';
import { deadLetterOf, type Endpoint, openScene, type Scene, startEndpoint } from './scene.ts';

describe('the request of a webhook', () => {
  let scene: Scene;
  let endpoint: Endpoint;

  beforeAll(async () => {
    [scene, endpoint] = [await openScene(), await startEndpoint({ keepBodyBytes: 2_000_000 })];
    await scene.startWorker({ SUBJECT: 'webhooks.>,orders.*.created', MAX_ATTEMPTS: '1' });
  });

  /** Publishes a message with a URL path of its own, and resolves to its request. */
  async function requestOf(
    message: (url: string) => unknown,
    options: Parameters<Scene['publish']>[1] = {},
  ): Promise<ReceivedRequest> {
    const path = `/${crypto.randomUUID()}`;
    await scene.publish(message(endpoint.url + path), options);
    return until(() => endpoint.requests.find((request) => request.path.startsWith(path)));
  }

  it.each([
    '{"n":12345678901234567890, "a":1.0}',
    '{"b":1,"a":2,"b":3}',
    '[ 1 ,\t2\n]',
    '"\\u00e9\\ud83d\\ude00 é😀"',
    '-0.0e+10',
    'null',
    '""',
  ])('has data as its body, byte for byte: %s', async (data) => {
    const { body } = await requestOf((url) =>
      Buffer.from(`{ "data" : ${data} , "webhook_url" : ${JSON.stringify(url)} }`),
    );
    expect(body.toString()).toBe(data);
  });

  it('has the whole message as its body if the message has no data', async () => {
    const { body } = await requestOf((url) => Buffer.from(`{"webhook_url":"${url}", "n":1.0}`));
    expect(body.toString()).toMatch(/^\{"webhook_url":".*", "n":1\.0\}$/);
  });

  it('may have a body of 900 KB', async () => {
    const data = JSON.stringify('x'.repeat(900_000));
    const { body } = await requestOf((url) => Buffer.from(`{"webhook_url":"${url}","data":${data}}`));
    expect(body.equals(Buffer.from(data))).toBe(true);
  });

  it('has the headers, method and params of the message, and the content type of JSON', async () => {
    const { headers, method, path } = await requestOf((webhook_url) => ({
      webhook_url,
      method: 'PUT',
      headers: { 'X-Event-Type': 'user.created' },
      params: { k: 'v & w' },
      data: {},
    }));
    expect(headers).toMatchObject({ 'x-event-type': 'user.created', 'content-type': 'application/json' });
    expect([method, path]).toEqual(['PUT', expect.stringMatching(/\?k=v(%20|\+)%26(%20|\+)w$/)]);
  });

  it('has the delivery id, the time and the name of the worker in its headers', async () => {
    const { headers } = await requestOf((webhook_url) => ({ webhook_url }), {
      headers: { 'Nats-Msg-Id': 'order-1' },
    });
    expect(headers).toMatchObject({
      'webhook-id': 'order-1',
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
      'user-agent': expect.stringMatching(/^nats-webhook-worker\/\d/),
    });
  });

  it.each([
    'webhooks.one',
    'webhooks.one.two.three',
    'orders.eu.created',
  ])('is sent for a message of the subject %s', async (subject) => {
    expect(await requestOf((webhook_url) => ({ webhook_url }), { subject })).toMatchObject({ status: 200 });
  });

  it('is sent once for two messages with the same Nats-Msg-Id', async () => {
    const headers = { 'Nats-Msg-Id': 'twice' };
    const { webhookId } = await requestOf((webhook_url) => ({ webhook_url }), { headers });
    await scene.publish({ webhook_url: endpoint.url }, { headers });
    await requestOf((webhook_url) => ({ webhook_url }));
    expect(endpoint.requests.filter((request) => request.webhookId === webhookId)).toHaveLength(1);
  });

  it('is sent for each of two messages with the same Webhook-Delivery-Id, because both were stored', async () => {
    const headers = { 'Webhook-Delivery-Id': 'again' };
    const first = await requestOf((webhook_url) => ({ webhook_url }), { headers });
    const second = await requestOf((webhook_url) => ({ webhook_url }), { headers });
    expect([first.webhookId, second.webhookId]).toEqual(['again', 'again']);
  });

  it('may have 100 headers', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, n) => [`X-Header-${n}`, 'y'.repeat(100)]),
    );
    const { headers } = await requestOf((webhook_url) => ({ webhook_url, headers: many }));
    expect(headers['x-header-99']).toBe('y'.repeat(100));
  });

  it('is replaced by a dead letter if its headers are too large for the endpoint', async () => {
    const sequence = await scene.publish({
      webhook_url: endpoint.url,
      headers: { 'X-Huge': 'z'.repeat(300_000) },
    });
    expect((await deadLetterOf(scene, sequence)).header.get('Webhook-Dead-Letter-Reason')).toMatch(
      /^(exhausted|malformed)$/,
    );
    expect(await requestOf((webhook_url) => ({ webhook_url }))).toMatchObject({ status: 200 });
  });
});
