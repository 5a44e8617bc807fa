import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { manualBlock } from './manual.ts';
import {
  allSettled,
  deadLetterOf,
  type Environment,
  logOf,
  openScene,
  setPaused,
  startEndpoint,
  statisticsOf,
  stopWorker,
} from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

const PERMISSIONS = manualBlock('authorization {');
const as = (user: string) => ({ NATS_USER: user, NATS_PASS: 'change-me' });
const AS = { founder: as('founder'), worker: as('worker'), publisher: as('publisher') };
const QUICK: Environment = { MAX_ATTEMPTS: '2', BACKOFF_BASE_MS: '10' };

/** The users of the manual, and `admin`, the user of the test itself, who may do everything. */
function configWith(change: (permissions: string) => string = (permissions) => permissions): string {
  return change(PERMISSIONS).replace('users: [', 'users: [ { user: admin, password: x }');
}

async function startScene() {
  const nats = await startTestNats({ config: configWith() });
  const scene = await openScene({ nats, login: { user: 'admin', pass: 'x' } });
  return { scene, endpoint: await startEndpoint() };
}

/** Checks that a worker delivers (ordered webhooks, too), retries, parks, dead-letters and counts, and is denied nothing. */
async function expectFullWork(
  { scene, endpoint }: Awaited<ReturnType<typeof startScene>>,
  env: typeof AS.worker,
) {
  const worker = await scene.startWorker({ ...QUICK, ...env, CONSUMER_NAME: env.NATS_USER });
  const failing = await startEndpoint({ status: 500 });
  const paused = await startEndpoint();
  await setPaused(scene, paused.url, true);
  const before = endpoint.requests.length;
  const publish = ['publish', '--url', endpoint.url, '--data', '{}'];
  expect(await outcomeOf(publish, { ...scene.env, ...AS.publisher })).toMatchObject({ code: 0, stderr: '' });
  const lost = await scene.publish({ webhook_url: failing.url });
  await scene.publish({ webhook_url: endpoint.url }, { subject: 'webhooks.ordered.k' });
  await until(() => endpoint.requests.length === before + 2);
  expect((await deadLetterOf(scene, lost)).header.get('Webhook-Dead-Letter-Reason')).toBe('exhausted');
  expect(failing.requests.length).toBe(2);
  await until(async () => {
    await scene.publish({ webhook_url: paused.url });
    return (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages > 0;
  });
  await setPaused(scene, paused.url, false);
  await allSettled(scene);
  await until(async () => {
    const row = (await statisticsOf(scene)).get(env.NATS_USER);
    expect(row).toMatchObject({
      messages_acknowledged: 2 + paused.requests.length,
      messages_dead_lettered: 1,
      messages_pending: 0,
    });
    expect(row!.messages_parked).toBeGreaterThan(0);
    return true;
  });
  const { stdout } = await outcomeOf(['stats'], { ...scene.env, ...AS.worker });
  expect(stdout).toMatch(
    /^0 pending, 0 in flight or waiting for a retry, \d parked, \d scheduled, \d ordered, \d dead letters/m,
  );
  expect(await stopWorker(worker)).toMatchObject({ acksConfirmed: true });
  expect(logOf(worker).filter(({ level }) => level === 'error')).toEqual([]);
}

describe('the permissions in the manual', () => {
  it('are enough for a worker that creates the streams, for a worker that finds them, and for publish and stats', async () => {
    const started = await startScene();
    await expectFullWork(started, AS.founder);
    await expectFullWork(started, AS.worker);
  });

  it('are enough to change a stream when its row changes', async () => {
    const { scene } = await startScene();
    await stopWorker(await scene.startWorker(AS.founder));
    await scene.query(`UPDATE rule_nats_streams SET max_messages = 1234`);
    await scene.startWorker(AS.founder);
    expect((await scene.manager.streams.info('WEBHOOKS')).config.max_msgs).toBe(1234);
  });

  it('do not let the user `worker` create streams: the worker ends and names the missing permission', async () => {
    const { scene } = await startScene();
    const { code, stderr } = await outcomeOf(['worker'], { ...scene.env, ...AS.worker });
    expect(stderr).toContain(
      'NATS denies our user the right to publish to "$JS.API.STREAM.CREATE.WEBHOOKS", needed to make the stream WEBHOOKS',
    );
    expect(code).toBe(1);
  });

  it('do not let the user `publisher` publish to other subjects: `publish` names the missing permission', async () => {
    const { scene } = await startScene();
    const publish = ['publish', '--subject', 'orders.new', '--data', '{}'];
    const { code, stderr } = await outcomeOf(publish, { ...scene.env, ...AS.publisher });
    expect(stderr).toContain('NATS denies our user the right to publish to "orders.new"');
    expect(code).toBe(1);
  });
});

describe.concurrent('without the permission', () => {
  /** Starts a worker without some permissions. `grant` gives the permissions. */
  async function startWithout(missing: RegExp, { isPaused = false } = {}) {
    const { scene, endpoint } = await startScene();
    await stopWorker(await scene.startWorker(AS.founder));
    await setPaused(scene, endpoint.url, isPaused);
    await scene.nats.reload(configWith((text) => text.replaceAll(missing, '"nothing"')));
    const { healthIs } = await startWorkerWithHealth(scene, { ...QUICK, ...AS.worker });
    const healthFails = (troubles: object) => healthIs({ code: 503, status: 'failing', troubles });
    const grant = async () => {
      await scene.nats.reload(configWith());
      await healthIs({ code: 200, status: 'ok' });
    };
    return { scene, endpoint, healthIs, healthFails, grant };
  }

  it('to ack, a worker pulls nothing more; when the permission is granted, every message is sent just once', async () => {
    const { scene, endpoint, healthFails, grant } = await startWithout(/"\$JS\.ACK\.[^"]+"/g);
    await scene.publish({ webhook_url: endpoint.url });
    await healthFails({
      nats: expect.stringMatching(
        /right to publish to "\$JS\.ACK\.>": nothing is pulled until the right is granted/,
      ),
    });
    await scene.publishMany(5, endpoint.url);
    await grant();
    await allSettled(scene);
    expect(endpoint.requests.length).toBe(6);
  });

  it('to park, messages without capacity wait, and are delivered after the permission is granted', async () => {
    const { scene, endpoint, healthIs, grant } = await startWithout(/"parked\.[^"]+"/g, { isPaused: true });
    await scene.publish({ webhook_url: endpoint.url });
    await healthIs({
      code: 200,
      status: 'degraded',
      troubles: {
        parking: expect.stringContaining('denies our user the right to publish to "parked.WEBHOOKS'),
      },
    });
    await grant();
    await setPaused(scene, endpoint.url, false);
    await allSettled(scene);
    expect(endpoint.requests.length).toBe(1);
  });

  it('for the ordered stream, only ordered webhooks wait, and are delivered after the permission is granted', async () => {
    const { scene, endpoint, healthIs, grant } = await startWithout(
      /"[^"]*(WEBHOOKS_ORDERED|\.ordered\.)[^"]*"/g,
    );
    await scene.publish({ webhook_url: `${endpoint.url}/ordered` }, { subject: 'webhooks.ordered.k' });
    await scene.publish({ webhook_url: endpoint.url });
    await until(() => endpoint.requests.length === 1);
    await healthIs({
      code: 200,
      status: 'degraded',
      troubles: {
        order: expect.stringContaining(
          'denies our user the right to publish to "$JS.API.STREAM.INFO.WEBHOOKS_ORDERED", needed to make the stream',
        ),
      },
    });
    await grant();
    await until(() => endpoint.requests.some(({ path }) => path === '/ordered'));
  });

  it('to store dead letters, they wait, and are stored after the permission is granted', async () => {
    const { scene, healthFails, grant } = await startWithout(/"dlq\.[^"]+"/g);
    const lost = await scene.publish({ no: 'endpoint' });
    await healthFails({
      deadLetters: expect.stringContaining('denies our user the right to publish to "dlq.WEBHOOKS'),
    });
    await grant();
    expect((await deadLetterOf(scene, lost)).header.get('Webhook-Dead-Letter-Reason')).toBe('unroutable');
  });
});
