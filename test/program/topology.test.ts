import { AckPolicy, DiscardPolicy, nanos, RetentionPolicy, StorageType } from 'nats';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { allSettled, openScene, type Scene, startEndpoint } from './scene.ts';

describe('the stream of webhooks', () => {
  it('is created as a work queue on disk that loses no waiting message', async () => {
    const scene = await openScene();
    await scene.startWorker();
    expect((await scene.manager.streams.info('WEBHOOKS')).config).toMatchObject({
      subjects: ['webhooks.*'],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      max_msgs: -1,
      max_bytes: -1,
      max_age: 0,
    });
  });

  it('is created as its row of rule_nats_streams says', async () => {
    const scene = await openScene();
    const migrate = await runProgram(['migrate'], { env: scene.env });
    expect(await migrate.waitForExit()).toMatchObject({ code: 0 });
    await scene.query(
      `UPDATE rule_nats_streams SET subjects = '{webhooks.*,events.>}', storage_type = 'memory', max_messages = 1234,
         max_bytes = 1000000, max_age_seconds = 3600, retention_policy = 'limits', discard_policy = 'old',
         duplicate_window_seconds = 30, description = 'ours' WHERE stream_name = 'WEBHOOKS'`,
    );
    await scene.startWorker();
    expect((await scene.manager.streams.info('WEBHOOKS')).config).toMatchObject({
      subjects: ['webhooks.*', 'events.>'],
      storage: StorageType.Memory,
      max_msgs: 1234,
      max_bytes: 1_000_000,
      max_age: nanos(3_600_000),
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      duplicate_window: nanos(30_000),
      description: 'ours',
    });
  });

  it('is changed when its row changes while workers run', async () => {
    const scene = await openScene();
    await scene.startWorker();
    await scene.query(`UPDATE rule_nats_streams SET max_messages = 4321 WHERE stream_name = 'WEBHOOKS'`);
    await until(async () => (await scene.manager.streams.info('WEBHOOKS')).config.max_msgs === 4321, {
      timeoutMs: 30_000,
    });
  });

  it.each([
    { subject: 'webhooks.>', subjects: ['webhooks.>'] },
    { subject: 'orders.*, users.created', subjects: ['webhooks.*', 'orders.*', 'users.created'] },
  ])('has the subjects in SUBJECT=$subject', async ({ subject, subjects }) => {
    const scene = await openScene();
    await scene.startWorker({ SUBJECT: subject });
    expect((await scene.manager.streams.info('WEBHOOKS')).config.subjects).toEqual(subjects);
  });
});

describe('a SUBJECT with subjects that overlap', () => {
  it.each(['webhooks.*,webhooks.>', 'a.*,*.b', 'a.b,a.b'])('is refused: %s', async (subject) => {
    const scene = await openScene();
    const worker = await runProgram(['worker'], { env: { ...scene.env, SUBJECT: subject } });
    expect(await worker.waitForExit()).toEqual({ code: 1, signal: null });
    expect(worker.stderr.join('\n')).toMatch(/^SUBJECT: .* overlap\./);
  });
});

describe('the durable', () => {
  it('is shared by all workers, and named by QUEUE_GROUP', async () => {
    const scene = await openScene();
    await Promise.all(
      ['a', 'b'].map((name) => scene.startWorker({ CONSUMER_NAME: name, QUEUE_GROUP: 'group' })),
    );
    const durables = await scene.manager.consumers.list('WEBHOOKS').next();
    expect(durables.map(({ name }) => name)).toEqual(['group']);
  });

  it('is refused with the cure on a work queue that another QUEUE_GROUP uses', async () => {
    const scene = await openScene();
    await scene.startWorker();
    const other = await runProgram(['worker'], { env: { ...scene.env, QUEUE_GROUP: 'others' } });
    expect(await other.waitForExit()).toEqual({ code: 1, signal: null });
    expect(other.stderr.join('\n')).toMatch(
      /QUEUE_GROUP: .*Set QUEUE_GROUP=webhook-workers to share the work of that durable/,
    );
  });
});

describe('a first durable on a stream with limits retention', () => {
  /** Creates a stream with the messages 1 to 3, and the durable `old-worker`. */
  async function streamWithHistory() {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
    await scene.manager.consumers.add('WEBHOOKS', {
      durable_name: 'old-worker',
      ack_policy: AckPolicy.Explicit,
      filter_subject: 'webhooks.*',
    });
    const publish = (path: string) => scene.publish({ webhook_url: `${endpoint.url}/${path}` });
    for (const path of ['1', '2', '3']) await publish(path);
    return { scene, endpoint, publish };
  }

  async function acknowledge(scene: Scene, count: number) {
    const consumer = await scene.js.consumers.get('WEBHOOKS', 'old-worker');
    for await (const message of await consumer.fetch({ max_messages: count })) await message.ackAck();
  }

  it('starts after the messages that an old durable has acknowledged, and the log says so', async () => {
    const { scene, endpoint, publish } = await streamWithHistory();
    await acknowledge(scene, 2);
    const worker = await scene.startWorker();
    await worker.waitForLine(/starts at sequence 3, because the durable old-worker/);
    await publish('4');
    await until(() => endpoint.requests.length >= 2);
    expect(endpoint.requests.map(({ path }) => path).sort()).toEqual(['/3', '/4']);
  });

  it('starts with new messages with START_FROM=new', async () => {
    const { scene, endpoint, publish } = await streamWithHistory();
    const worker = await scene.startWorker({ START_FROM: 'new' });
    await worker.waitForLine(/from now on, as START_FROM says/);
    await publish('4');
    await until(() => endpoint.requests.length >= 1);
    expect(endpoint.requests.map(({ path }) => path)).toEqual(['/4']);
  });

  it('starts at the beginning with START_FROM=all', async () => {
    const { scene, endpoint } = await streamWithHistory();
    await acknowledge(scene, 2);
    await scene.startWorker({ START_FROM: 'all' });
    await until(() => endpoint.requests.length === 3);
  });

  it('starts at a time with START_FROM=<time>', async () => {
    const { scene, endpoint } = await streamWithHistory();
    const third = await scene.manager.streams.getMessage('WEBHOOKS', { seq: 3 });
    await scene.startWorker({ START_FROM: third.time.toISOString(), CONCURRENCY: '1' });
    await until(() => endpoint.requests.some(({ path }) => path === '/3'));
    const { config } = await scene.manager.consumers.info('WEBHOOKS', 'webhook-workers');
    expect(Date.parse(config.opt_start_time!)).toBe(third.time.getTime());
  });
});

describe('a stream that another program deletes and recreates', () => {
  it('has new ids and its own dead letters from its first message on, although its sequences start again', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.startWorker();
    const { streams, consumers } = scene.manager;
    const deliverTwo = async () => {
      await scene.publish({ webhook_url: endpoint.url });
      await scene.publish({ webhook_url: 'nowhere' });
      await allSettled(scene);
    };
    await deliverTwo();
    const stream = await streams.info('WEBHOOKS');
    const durable = await consumers.info('WEBHOOKS', 'webhook-workers');
    await streams.delete('WEBHOOKS');
    await streams.add(stream.config);
    await consumers.add('WEBHOOKS', durable.config);
    await deliverTwo();
    expect(endpoint.received()).toMatchObject({ requests: 2, webhookIds: 2 });
    expect((await streams.info('WEBHOOKS_DLQ')).state.messages).toBe(2);
  });
});
