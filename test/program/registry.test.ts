import { beforeEach, describe, expect, it } from 'vitest';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { createTables, register as registerRow } from './rows.ts';
import { allSettled, deadLetterOf, openScene, type Scene, startEndpoint } from './scene.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});

const createAllTables = () => createTables(scene);
const register = (name: string, url: string, more: Readonly<Record<string, unknown>> = {}) =>
  registerRow(scene, name, url, more);
const set = (name: string, assignment: string) =>
  scene.query(`UPDATE rule_webhooks SET ${assignment} WHERE webhook_name = $1`, [name]);
const publishTo = (name: string, data: unknown = { n: 1 }) =>
  scene.publish(data, { subject: `webhooks.${name}` });

describe('a message without a URL', () => {
  it('arrives at the URL of its row, with the method and headers of the row', async () => {
    const endpoint = await startEndpoint();
    await createAllTables();
    await register('orders', `${endpoint.url}/in?key=1`, { method: 'PUT', headers: '{"X-Team": "a"}' });
    await register('other', `${endpoint.url}/other`, { nats_subject: 'webhooks.invoices' });
    await scene.startWorker();
    await publishTo('orders', { event: 'order.created' });
    await publishTo('invoices');
    await until(() => endpoint.requests.length === 2);
    const order = endpoint.requests.find(({ path }) => path === '/in?key=1')!;
    expect(order).toMatchObject({ method: 'PUT', headers: { 'x-team': 'a' } });
    expect(order.body.toString()).toBe('{"event":"order.created"}');
    expect(endpoint.requests.map(({ path }) => path).sort()).toEqual(['/in?key=1', '/other']);
  });

  it('becomes a dead letter with the cure if no row matches', async () => {
    await scene.startWorker();
    const deadLetter = await deadLetterOf(scene, await publishTo('nobody'));
    expect(deadLetter.header.get('Webhook-Dead-Letter-Reason')).toBe('unroutable');
    expect(deadLetter.header.get('Webhook-Dead-Letter-Detail')).toContain("rule_webhook_register('nobody'");
  });

  it('is delivered even if its row was inserted only a moment before', async () => {
    const endpoint = await startEndpoint();
    await scene.startWorker();
    const names = Array.from({ length: 40 }, (_, number) => `new-${number}`);
    for (const name of names) {
      await register(name, `${endpoint.url}/${name}`);
      await publishTo(name);
    }
    await until(() => endpoint.received().webhookIds === names.length);
    expect(endpoint.received().doubled).toBe(0);
    expect((await scene.manager.streams.info('WEBHOOKS_DLQ')).state.messages).toBe(0);
  });

  it('is retried as its row says', async () => {
    const endpoint = await startMisbehavingEndpoint();
    await createAllTables();
    await register('fails', `${endpoint.url}/status/500`, { max_retries: 1, retry_delay_ms: 10 });
    await register('once', `${endpoint.url}/status/501`, { retry_enabled: false });
    await scene.startWorker();
    await deadLetterOf(scene, await publishTo('fails'));
    await deadLetterOf(scene, await publishTo('once'));
    const paths = endpoint.requests.map(({ path }) => path);
    expect(paths.filter((path) => path === '/status/500').length).toBe(2);
    expect(paths.filter((path) => path === '/status/501').length).toBe(1);
  });

  it('times out after the timeout of its row', async () => {
    const endpoint = await startMisbehavingEndpoint();
    await createAllTables();
    await register('hangs', `${endpoint.url}/hang`, { timeout_ms: 150, retry_enabled: false });
    await scene.startWorker();
    const deadLetter = await deadLetterOf(scene, await publishTo('hangs'));
    // A busy machine may not have a connection by then.
    expect(deadLetter.header.get('Webhook-Dead-Letter-Detail')).toMatch(
      /^no (connection|answer) within 150 ms$/,
    );
  });
});

describe('a row of rule_webhooks', () => {
  it('takes effect as soon as it is changed or inserted', async () => {
    const [before, after] = [await startEndpoint(), await startEndpoint()];
    await createAllTables();
    await register('moves', before.url);
    await scene.startWorker();
    await publishTo('moves');
    await until(() => before.requests.length === 1);
    await set('moves', `url = '${after.url}'`);
    await until(async () => {
      await publishTo('moves');
      return after.requests.length > 0;
    });
    await register('added', `${after.url}/added`);
    await until(async () => {
      await publishTo('added');
      return after.requests.some(({ path }) => path === '/added');
    });
  });

  it('keeps its messages parked while it is disabled, and gets them when it is enabled', async () => {
    const endpoint = await startEndpoint();
    await createAllTables();
    await register('later', endpoint.url, { enabled: false });
    await scene.startWorker();
    for (let number = 0; number < 20; number++) await publishTo('later', { number });
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 20);
    expect(endpoint.requests.length).toBe(0);
    await set('later', 'enabled = true');
    await allSettled(scene);
    expect(endpoint.received()).toMatchObject({ webhookIds: 20, doubled: 0 });
  });

  it('keeps its parked messages when it is renamed', async () => {
    const endpoint = await startEndpoint();
    await createAllTables();
    await register('before', endpoint.url, { enabled: false });
    await scene.startWorker();
    await publishTo('before');
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 1);
    await set('before', `webhook_name = 'after', enabled = true`);
    await until(() => endpoint.requests.length === 1);
  });

  it('that is disabled gets no messages, and they become dead letters, with DISABLED_ENDPOINT=dead-letter', async () => {
    await createAllTables();
    await register('off', 'http://127.0.0.1:9/', { enabled: false });
    await scene.startWorker({ DISABLED_ENDPOINT: 'dead-letter' });
    const deadLetter = await deadLetterOf(scene, await publishTo('off'));
    expect(deadLetter.header.get('Webhook-Dead-Letter-Reason')).toBe('disabled');
  });

  it('keeps its messages parked while it is paused', async () => {
    const endpoint = await startEndpoint();
    await createAllTables();
    await register('waits', endpoint.url, { paused: true });
    await scene.startWorker();
    await publishTo('waits');
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 1);
    await set('waits', 'paused = false');
    await until(() => endpoint.requests.length === 1);
  });
});

describe('an endpoint that answers 410', () => {
  it('is disabled, and its row has the time and the reason', async () => {
    const endpoint = await startMisbehavingEndpoint();
    await createAllTables();
    await register('left', `${endpoint.url}/status/410`);
    const worker = await scene.startWorker();
    await deadLetterOf(scene, await publishTo('left'));
    const row = await until(async () => {
      const [found] = await scene.query<{ enabled: boolean; disabled_reason: string; disabled_at: Date }>(
        `SELECT enabled, disabled_reason, disabled_at FROM rule_webhooks WHERE webhook_name = 'left'`,
      );
      return found?.enabled === false && found;
    });
    expect(row).toMatchObject({
      disabled_reason: 'the endpoint answered 410 Gone',
      disabled_at: expect.any(Date),
    });
    await worker.waitForLine(/endpoint\.disabled/);
    await publishTo('left');
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 1);
    expect(endpoint.requests.length).toBe(1);
  });
});

describe('while PostgreSQL is away', () => {
  it('deliveries to known endpoints go on', async () => {
    const postgres = await startPrivatePostgres();
    scene = await openScene({ databaseUrl: postgres.url });
    const endpoint = await startEndpoint();
    await createAllTables();
    await register('known', endpoint.url);
    await scene.startWorker();
    await publishTo('known');
    await until(() => endpoint.requests.length === 1);
    await postgres.kill();
    for (let number = 0; number < 10; number++) await publishTo('known', { number });
    await until(() => endpoint.requests.length === 11);
  });

  it('a starting worker parks only messages that need a row', async () => {
    const postgres = await startPrivatePostgres();
    scene = await openScene({ databaseUrl: postgres.url });
    const endpoint = await startEndpoint();
    await createAllTables();
    await register('known', `${endpoint.url}/known`);
    await postgres.kill();
    await scene.startWorker();
    await publishTo('known');
    await scene.publish({ webhook_url: `${endpoint.url}/url`, data: 1 });
    await until(() => endpoint.requests.some(({ path }) => path === '/url'));
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 1);
    await postgres.restart();
    await until(() => endpoint.requests.some(({ path }) => path === '/known'));
    expect(endpoint.received().doubled).toBe(0);
  });
});
