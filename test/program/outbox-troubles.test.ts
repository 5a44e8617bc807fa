import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import type { RelayHealth } from '../../src/relay/relay.ts';
import { cleanUpAfter } from '../support/clean-up.ts';
import { type RunningProgram, runProgram } from '../support/program.ts';
import { startPrivatePostgres, startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { createTables } from './rows.ts';
import { type Environment, logOf, openScene, type Scene, stopWorker } from './scene.ts';

async function startRelay(scene: Pick<Scene, 'env'>, env: Environment = {}) {
  const port = String(await freePort());
  const relay = await runProgram(['relay'], { env: { ...scene.env, HTTP_PORT: port, ...env } });
  await relay.waitForLine(/relay\.started/);
  const health = async (): Promise<RelayHealth> =>
    (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as RelayHealth;
  return Object.assign(relay, { health });
}

const enqueue = (scene: Scene, name: string, data: unknown = 1) =>
  scene.query('SELECT webhook_enqueue($1, $2)', [name, JSON.stringify(data)]);
const statuses = async (scene: Scene) =>
  (await scene.query<{ status: string }>('SELECT status FROM nats_outbox_events ORDER BY id')).map(
    ({ status }) => status,
  );
const becomes = (scene: Scene, expected: readonly string[]) =>
  until(async () => {
    expect(await statuses(scene)).toEqual(expected);
    return true;
  });

async function openOutbox(parts: Parameters<typeof openScene>[0] = {}): Promise<Scene> {
  const scene = await openScene(parts);
  await createTables(scene);
  return scene;
}

/**
 * A proxy of PostgreSQL that gives its clients another process number than the one of the server, as PgBouncer does.
 */
async function startPooler(databaseUrl: string): Promise<string> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = dial(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [client, upstream].map((each) => each.destroy()));
    }
    client.pipe(upstream);
    let isOpen = false;
    upstream.on('data', (data: Buffer) => {
      // BackendKeyData: K, a length of 12, the process number, a key.
      const at = isOpen ? -1 : data.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
      if (at >= 0) data.writeUInt32BE(1, at + 5);
      isOpen ||= at >= 0;
      client.write(data);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUpAfter(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as { port: number }).port);
  return url.href;
}

describe('a relay', () => {
  it('is woken by a commit, and leaves commits alone while it works', async () => {
    const scene = await openOutbox();
    const relay = await startRelay(scene, { OUTBOX_POLL_MS: '60000' });
    const isAsleep = async () =>
      (
        await scene.query(
          `SELECT FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND objid = 4`,
        )
      ).length === 1;
    for (let time = 1; time <= 5; time++) {
      await until(isAsleep);
      await enqueue(scene, 'a');
      await becomes(scene, Array(time).fill('published'));
    }
    expect(await relay.health()).toMatchObject({
      status: 'ok',
      troubles: {},
      since: { published: 5, duplicates: 0, failed: 0, unconfirmed: 0 },
    });
    await stopWorker(relay);
    expect(await isAsleep()).toBe(false);
  });

  it('polls behind PgBouncer, where it takes no lock of a session', async () => {
    const scene = await openOutbox();
    const relay = await startRelay(scene, { DATABASE_URL: await startPooler(scene.env.DATABASE_URL!) });
    await relay.waitForLine(/outbox\.polling/);
    await enqueue(scene, 'a');
    await becomes(scene, ['published']);
    const locks = await scene.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4`);
    expect(locks).toEqual([]);
  });

  it('blames no row while NATS is away, and opens no transaction', async () => {
    const scene = await openOutbox();
    const relay = await startRelay(scene);
    await scene.nats.kill();
    await until(async () => (await relay.health()).troubles.nats);
    await enqueue(scene, 'a');
    const open = await scene.query(`SELECT FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
      AND application_name = 'nats-webhook-worker' AND datname = current_database()`);
    expect(open).toEqual([]);
    expect(await statuses(scene)).toEqual(['waiting']);
    await scene.nats.restart();
    await becomes(scene, ['published']);
    await until(async () => (await relay.health()).status === 'ok');
  });

  it('blames no row while the stream is full, and publishes in order once it has room', async () => {
    const scene = await openOutbox();
    const { config } = await scene.manager.streams.info('WEBHOOKS');
    await scene.manager.streams.update('WEBHOOKS', { ...config, max_msgs: 2 });
    const relay = await startRelay(scene);
    for (const number of [1, 2, 3, 4]) await enqueue(scene, 'a', number);
    await until(async () => (await relay.health()).troubles.stream);
    expect(await statuses(scene)).toEqual(expect.arrayContaining(['published', 'waiting']));
    await scene.manager.streams.update('WEBHOOKS', { ...config, max_msgs: -1 });
    await becomes(scene, Array(4).fill('published'));
    await until(async () => (await relay.health()).status === 'ok');
    expect(logOf(relay).filter(({ msg }) => msg === 'outbox.row_failed')).toEqual([]);
  });

  it('sets a row aside that NATS never takes, and publishes it when an operator says so', async () => {
    const scene = await openOutbox();
    const { config } = await scene.manager.streams.info('WEBHOOKS');
    await scene.manager.streams.update('WEBHOOKS', { ...config, max_msg_size: 4096 });
    const relay = await startRelay(scene);
    await scene.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('large', 'https://a.test')`);
    await enqueue(scene, 'large', 'x'.repeat(8000));
    await enqueue(scene, 'small');
    await becomes(scene, ['failed', 'published']);
    await relay.waitForLine(/outbox\.row_failed/);
    const [failure] = await scene.query(
      'SELECT webhook_name, subject, error_message FROM nats_delivery_failures',
    );
    expect(failure).toMatchObject({ webhook_name: 'large', subject: 'webhooks.large' });
    const retry = () => scene.query('SELECT webhook_outbox_retry(id) FROM rule_nats_outbox');
    await scene.manager.streams.update('WEBHOOKS', config);
    await retry();
    await becomes(scene, ['published', 'published']);
    expect(await stopWorker(relay)).toMatchObject({ published: 2, failed: 1 });
  });

  it('publishes other names while our user may not publish one of them', async () => {
    const nats = await startTestNats({
      config: `authorization { users: [ {user: all, password: x},
        {user: relay, password: x, permissions: { publish: { deny: ["webhooks.secret"] } } } ] }`,
    });
    const scene = await openScene({ nats, login: { user: 'all', pass: 'x' } });
    await createTables(scene, { NATS_USER: 'all', NATS_PASS: 'x' });
    await enqueue(scene, 'secret');
    const relay = await startRelay(scene, { NATS_USER: 'relay', NATS_PASS: 'x' });
    await enqueue(scene, 'a');
    await becomes(scene, ['waiting', 'published']);
    await until(async () => (await relay.health()).troubles.rows?.includes('webhooks.secret'));
  });

  it('goes on after PostgreSQL was killed, and also starts without it', async () => {
    const postgres = await startPrivatePostgres();
    const scene = await openOutbox({ databaseUrl: postgres.url });
    const relay = await startRelay(scene);
    await postgres.kill();
    await until(async () => (await relay.health()).troubles.postgres);
    const late = await startRelay(scene);
    expect(await late.health().catch(() => null)).toMatchObject({ outbox: null });
    await postgres.restart();
    await enqueue(scene, 'a');
    await becomes(scene, ['published']);
    await until(async () => (await relay.health()).status === 'ok' && (await late.health()).status === 'ok');
  });

  it('holds what a live worker of an older version would misread, and nothing else', async () => {
    const scene = await openOutbox();
    await scene.query(`INSERT INTO rule_nats_worker_instances
      (instance_id, stream_name, consumer_name, queue_group, last_number, silent_after_ms, active)
      VALUES (gen_random_uuid(), 'WEBHOOKS', 'old', 'webhook-workers', 1, 600000, true)`);
    const relay = await startRelay(scene);
    await enqueue(scene, 'a', { webhook_url: 'http://127.0.0.1:1' });
    await scene.query(
      `SELECT webhook_enqueue('a', '1', ordering_key => 'k'), webhook_enqueue('a', '2', headers => '{"X-A": "b"}')`,
    );
    await enqueue(scene, 'a', { data: 1 });
    await becomes(scene, ['waiting', 'waiting', 'waiting', 'published']);
    await until(async () => (await relay.health()).troubles.workers?.includes('old without'));
    await scene.query('UPDATE rule_nats_worker_instances SET active = false');
    await becomes(scene, Array(4).fill('published'));
    await until(async () => (await relay.health()).status === 'ok');
  });

  it('publishes equal ids of two databases, because each has an id of its own', async () => {
    const scene = await openOutbox();
    const other = await openOutbox({ nats: scene.nats });
    const relays: RunningProgram[] = [await startRelay(scene), await startRelay(other)];
    for (const each of [scene, other])
      await each.query(`SELECT webhook_enqueue('a', '1', message_id => 'order-17')`);
    await becomes(scene, ['published']);
    await becomes(other, ['published']);
    expect((await scene.manager.streams.info('WEBHOOKS')).state.messages).toBe(2);
    await Promise.all(relays.map(stopWorker));
  });
});
