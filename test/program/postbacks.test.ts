import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { manualBlock } from './manual.ts';
import {
  deadLetterOf,
  type Endpoint,
  logOf,
  openScene,
  type Scene,
  startEndpoint,
  stopWorker,
} from './scene.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

let scene: Scene;
let endpoint: Endpoint;
beforeAll(async () => {
  scene = await openScene();
  endpoint = await startEndpoint();
  await stopWorker(await scene.startWorker());
  await scene.query(
    manualBlock('INSERT INTO rule_webhooks (webhook_name, method, url, params)').replace(
      'https://example.com',
      endpoint.url,
    ),
  );
  await scene.query(
    `INSERT INTO rule_webhooks (webhook_name, method, url) VALUES ('removals', 'DELETE', '${endpoint.url}/users/{id}'),
       ('clearings', 'DELETE', '${endpoint.url}/all'),
       ('hosts', 'GET', 'https://{host}/')`,
  );
  await scene.query(`SELECT rule_webhook_secret_set(webhook_id, 'signing_secret', $1) FROM rule_webhooks`, [
    SECRET,
  ]);
  await scene.startWorker();
});

const requestOf = (id: string) => until(() => endpoint.requests.find(({ webhookId }) => webhookId === id));
const publishTo = (name: string, id: string, data: unknown) =>
  scene.publish(data, { subject: `webhooks.${name}`, headers: { 'Nats-Msg-Id': id } });

describe('a postback', () => {
  it('is a signed GET without a body, with a URL that is filled from the payload', async () => {
    await publishTo('credits', 'credit', Buffer.from('{"user_id":"a&b/ü","value":12345678901234567.10}'));
    const request = await requestOf('credit');
    expect(request).toMatchObject({
      method: 'GET',
      path: '/postback?user=a%26b%2F%C3%BC&value=12345678901234567.10&source=us',
      bodyBytes: 0,
    });
    expect(request.headers).not.toHaveProperty('content-type');
    expect(request.headers).not.toHaveProperty('content-length');
    const at = new Date(1000 * Number(request.headers['webhook-timestamp']));
    expect(request.headers['webhook-signature']).toBe(new Webhook(SECRET).sign('credit', at, ''));
  });

  it('becomes a dead letter that names the missing value, if the payload lacks a value', async () => {
    const deadLetter = await deadLetterOf(scene, await publishTo('credits', 'debit', { user_id: 's3cr3t' }));
    expect(deadLetter.header.get('Webhook-Dead-Letter-Reason')).toBe('malformed');
    expect(deadLetter.header.get('Webhook-Dead-Letter-Detail')).toBe(
      'rule_webhooks, webhook_name "credits": url: {value} is not in the payload',
    );
  });
});

describe('a DELETE', () => {
  it('goes to a URL that is filled from the payload, and has no body if the payload is empty', async () => {
    await publishTo('removals', 'with', { id: 7 });
    expect(await requestOf('with')).toMatchObject({ method: 'DELETE', path: '/users/7', bodyBytes: 8 });
    await publishTo('clearings', 'without', new Uint8Array());
    expect(await requestOf('without')).toMatchObject({ method: 'DELETE', path: '/all', bodyBytes: 0 });
  });
});

describe('a row with a placeholder in its host', () => {
  it('gets no requests: its messages wait, and nats_endpoint_health and the log say why', async () => {
    const worker = await scene.startWorker();
    await publishTo('hosts', 'chosen', { host: '127.0.0.1' });
    const detail = /webhook_name "hosts": url has the placeholder \{host\} before its path/;
    await until(async () => {
      const [row] = await scene.query(
        `SELECT why FROM nats_endpoint_health WHERE endpoint_key LIKE 'hosts-%' AND state = 'paused'`,
      );
      return detail.test(row?.why);
    });
    expect(
      logOf(worker).some(({ msg, error }) => msg === 'endpoint.invalid' && detail.test(`${error}`)),
    ).toBe(true);
  });
});

describe('a message that names its URL', () => {
  it('may have placeholders in the URL, which are filled from its data', async () => {
    const message = {
      webhook_url: `${endpoint.url}/u/{user.id}`,
      method: 'GET',
      data: { user: { id: 'x/y' } },
      params: { a: 1 },
    };
    await scene.publish(message, { headers: { 'Nats-Msg-Id': 'envelope' } });
    expect(await requestOf('envelope')).toMatchObject({ path: '/u/x%2Fy?a=1', bodyBytes: 0 });
  });
});
