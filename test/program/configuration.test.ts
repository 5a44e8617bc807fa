import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { outOfOrder, publishOrdered, startOrderedEndpoint } from './ordered-scene.ts';
import { createTables, register } from './rows.ts';
import { allSettled, deadLetterOf, logOf, openScene, type Scene, startEndpoint } from './scene.ts';

/** Of a worker that may not reach the endpoints of the tests. */
const FORBIDS = { ALLOWED_PRIVATE_CIDRS: '' };

const messagesIn = async ({ manager }: Scene, stream: string) =>
  (await manager.streams.info(stream)).state.messages;

/** Why the messages of an endpoint wait, as operators see it. */
const whyOf = (scene: Scene, key: string) =>
  until(async () => {
    const [row] = await scene.query<{ state: string; why: string }>(
      `SELECT state, why FROM nats_endpoint_health WHERE endpoint_key LIKE $1 || '%' AND state = 'paused'`,
      [key],
    );
    return row?.why;
  });

describe('two workers, one without ALLOWED_PRIVATE_CIDRS', () => {
  it('make no dead letter; the other one delivers, and the log and stats say why', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    await createTables(scene);
    await register(scene, 'orders', `${endpoint.url}/row`);
    const right = await scene.startWorker({ CONSUMER_NAME: 'right', CONCURRENCY: '4' });
    const wrong = await scene.startWorker({ CONSUMER_NAME: 'wrong', CONCURRENCY: '4', ...FORBIDS });
    const count = 60;
    for (let number = 0; number < count; number++) {
      await scene.publish({ webhook_url: `${endpoint.url}/url`, data: { number } });
      await scene.publish({ number }, { subject: 'webhooks.orders' });
    }
    await until(() => endpoint.received().webhookIds === 2 * count, { timeoutMs: 60_000 });
    await allSettled(scene, 30_000);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);

    const said = logOf(wrong);
    expect(said.find(({ msg }) => msg === 'settings.differ')).toMatchObject({
      differing: ['ALLOWED_PRIVATE_CIDRS: none (wrong), 127.0.0.0/8 (right)'],
    });
    expect(said.find(({ msg }) => msg === 'endpoint.held')).toMatchObject({
      why: expect.stringMatching(/ALLOWED_PRIVATE_CIDRS does not name\), and leaves it to right$/),
    });
    expect(logOf(right).map(({ msg }) => msg)).not.toContain('endpoint.held');
    const { stdout } = await outcomeOf(['stats'], scene.env);
    expect(stdout).toContain('the workers of the group differ in ALLOWED_PRIVATE_CIDRS: ');
    expect(stdout).toMatch(/paused .*ALLOWED_PRIVATE_CIDRS does not name\), and leaves it to right/);
  });
});

describe('a worker without ALLOWED_PRIVATE_CIDRS', () => {
  it('makes no dead letter as soon as a worker that allows the address has started', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    await scene.startWorker({ CONSUMER_NAME: 'wrong', ...FORBIDS });
    await scene.startWorker({ CONSUMER_NAME: 'right' });
    const count = 200;
    await Promise.all(
      Array.from({ length: count }, (_, number) =>
        scene.publish({ webhook_url: `${endpoint.url}/url`, data: { number } }),
      ),
    );
    await until(() => endpoint.received().webhookIds === count, { timeoutMs: 60_000 });
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
  });
});

describe('two workers, one without ALLOWED_PRIVATE_CIDRS, and ordered webhooks', () => {
  it('deliver all of them, each key in its order', async () => {
    const scene = await openScene();
    const endpoint = await startOrderedEndpoint(() => true);
    await scene.startWorker({ CONSUMER_NAME: 'right' });
    await scene.startWorker({ CONSUMER_NAME: 'wrong', ...FORBIDS });
    const keys = ['a', 'b', 'c', 'd'];
    await publishOrdered(scene, endpoint.url, keys, 5);
    await until(() => keys.every((key) => endpoint.accepted(key) === 5), { timeoutMs: 150_000 });
    for (const key of keys) expect(outOfOrder(endpoint.seen(key))).toEqual([]);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
  }, 200_000);
});

describe('a URL in a message that is forbidden', () => {
  it('waits while the live peers are not known, and becomes a dead letter when they are', async () => {
    const postgres = await startPrivatePostgres();
    const scene = await openScene({ databaseUrl: postgres.url });
    await postgres.kill();
    const worker = await scene.startWorker(FORBIDS);
    const sequence = await scene.publish({ webhook_url: 'http://127.0.0.1:1/hook' });
    await worker.waitForLine(/endpoint\.held/);
    await until(async () => (await messagesIn(scene, 'WEBHOOKS_PARKED')) === 1);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
    await postgres.restart();
    const letter = await deadLetterOf(scene, sequence);
    expect(letter.header.get('Webhook-Dead-Letter-Reason')).toBe('forbidden');
  });

  it('is left to an older worker, which does not say what it allows', async () => {
    const scene = await openScene();
    await createTables(scene);
    await scene.query(`INSERT INTO rule_nats_worker_instances
      (instance_id, stream_name, consumer_name, queue_group, last_number, silent_after_ms)
      VALUES (gen_random_uuid(), 'WEBHOOKS', 'older', 'webhook-workers', 1, 600000)`);
    const worker = await scene.startWorker(FORBIDS);
    await scene.publish({ webhook_url: 'http://127.0.0.1:1/hook' });
    await worker.waitForLine(/and leaves it to older.*endpoint\.held/);
    await until(async () => (await messagesIn(scene, 'WEBHOOKS_PARKED')) === 1);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
  });
});

describe('a row that is wrong', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['its URL', { url: 'nonsense' }, /url is not an http/],
    ['its template', { body_template: '{' }, /body_template is not JSON/],
    ['its header', { headers: { Host: 'elsewhere' } }, /Host/i],
  ])('(%s) holds its messages, says why, and delivers them when it is mended', async (_what, wrong, why) => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    await createTables(scene);
    const right = { url: `${endpoint.url}/hook`, body_template: null, headers: {} };
    const { url, ...more } = { ...right, ...wrong };
    await register(scene, 'orders', url as string, more);
    const worker = await scene.startWorker();
    await scene.publish({ n: 1 }, { subject: 'webhooks.orders' });
    expect(await whyOf(scene, 'orders-')).toMatch(why);
    expect(logOf(worker).find(({ msg }) => msg === 'endpoint.invalid')?.error).toMatch(why);
    await scene.query(
      `UPDATE rule_webhooks SET url = $1, body_template = NULL, headers = '{}' WHERE webhook_name = 'orders'`,
      [right.url],
    );
    await until(() => endpoint.requests.length === 1);
    await allSettled(scene);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
  });

  it('(its secret, as the function of the extension takes it) holds its messages until it can sign', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    await createTables(scene);
    await register(scene, 'orders', endpoint.url);
    await scene.query(
      `INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value) VALUES (1, 'signing_secret', 'hello world')`,
    );
    await scene.startWorker();
    await scene.publish({ n: 1 }, { subject: 'webhooks.orders' });
    expect(await whyOf(scene, 'orders-')).toContain(
      'a signing_secret in rule_webhook_secrets is not whsec_<base64>',
    );
    await scene.query(`UPDATE rule_webhook_secrets SET secret_value = 'whsec_aGVsbG8gd29ybGQ='`);
    await until(() => endpoint.requests.length === 1);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
  });

  it('(its address is not allowed) holds its messages, says why, and delivers them when it has another one', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    await createTables(scene);
    await register(scene, 'orders', 'http://10.255.255.1/hook');
    const worker = await scene.startWorker();
    await scene.publish({ n: 1 }, { subject: 'webhooks.orders' });
    expect(await whyOf(scene, 'orders-')).toMatch(/no worker may send to it: 10\.255\.255\.1 is private/);
    await worker.waitForLine(/endpoint\.held/);
    await scene.query(`UPDATE rule_webhooks SET url = $1`, [endpoint.url]);
    await until(() => endpoint.requests.length === 1);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
  });

  it('holds only its own copy of a message for several rows', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    await createTables(scene);
    await register(scene, 'good', endpoint.url, { nats_subject: 'webhooks.shared' });
    await register(scene, 'wrong', 'nonsense', { nats_subject: 'webhooks.shared' });
    await scene.startWorker();
    await scene.publish({ n: 1 }, { subject: 'webhooks.shared' });
    await until(() => endpoint.requests.length === 1);
    expect(await whyOf(scene, 'wrong-')).toMatch(/url is not an http/);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
    await scene.query(`UPDATE rule_webhooks SET url = $1 WHERE webhook_name = 'wrong'`, [
      `${endpoint.url}/mended`,
    ]);
    await until(() => endpoint.requests.length === 2);
    await allSettled(scene);
  });

  it('holds ordered messages, too, and delivers them in order when it is mended', async () => {
    const scene = await openScene();
    const endpoint = await startOrderedEndpoint(() => true);
    await createTables(scene);
    await register(scene, 'k', 'nonsense');
    await scene.startWorker();
    for (const n of [1, 2, 3]) await scene.publish({ key: 'k', n }, { subject: 'webhooks.ordered.k' });
    expect(await whyOf(scene, 'k-')).toMatch(/url is not an http/);
    await scene.query(`UPDATE rule_webhooks SET url = $1`, [endpoint.url]);
    await until(() => endpoint.accepted('k') === 3);
    expect(outOfOrder(endpoint.seen('k'))).toEqual([]);
    expect(await messagesIn(scene, 'WEBHOOKS_DLQ')).toBe(0);
  });

  it('keeps a message whose payload lacks a placeholder a dead letter', async () => {
    const scene = await openScene();
    const endpoint = await startEndpoint();
    await createTables(scene);
    await register(scene, 'orders', `${endpoint.url}/{id}`);
    await scene.startWorker();
    const sequence = await scene.publish({ n: 1 }, { subject: 'webhooks.orders' });
    expect((await deadLetterOf(scene, sequence)).header.get('Webhook-Dead-Letter-Reason')).toBe('malformed');
  });
});
