import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startNatsServer } from '../../src/embedded/nats-server.ts';
import { freePort } from '../../src/embedded/ports.ts';
import { outcomeOf } from '../commands/programs.ts';
import { atEndOfFile, temporaryFolder } from '../support/end-of-file.ts';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { readmeBlock } from './readme.ts';
import {
  deadLetterOf,
  type Environment,
  logOf,
  openScene,
  startEndpoint,
  statisticsOf,
  stopWorker,
} from './scene.ts';

const RIGHTS = readmeBlock('authorization {');
const as = (user: string) => ({ NATS_USER: user, NATS_PASS: 'change-me' });
const AS = { founder: as('founder'), worker: as('worker'), publisher: as('publisher') };
const QUICK: Environment = { MAX_ATTEMPTS: '2', BACKOFF_BASE_MS: '10' };

/** The users of the README, and `admin`, who may do all and is who the tests are. */
function configWith(change: (rights: string) => string = (rights) => rights): string {
  return change(RIGHTS).replace('users: [', 'users: [ { user: admin, password: x }');
}

/** A server whose rights can be changed while it runs. */
async function startScene(config = configWith()) {
  const dataDir = await temporaryFolder();
  const server = await startNatsServer({
    dataDir,
    port: 0,
    extraConfig: config,
    env: process.env,
    log: () => {},
  });
  atEndOfFile(() => server.stop());
  const nats = { ...server, config, restart: () => Promise.reject(new Error('not here')) };
  const scene = await openScene({ nats, login: { user: 'admin', pass: 'x' } });
  return {
    scene,
    endpoint: await startEndpoint(),
    async changeRights(changed: string) {
      await writeFile(join(dataDir, 'nats-server.conf'), changed);
      process.kill(server.pid, 'SIGHUP');
    },
  };
}

type Rights = Awaited<ReturnType<typeof startScene>>;

/** Delivers, retries, dead-letters and counts, and is denied nothing. */
async function doesItsWork({ scene, endpoint }: Rights, env: typeof AS.worker) {
  const worker = await scene.startWorker({ ...QUICK, ...env, CONSUMER_NAME: env.NATS_USER });
  const failing = await startEndpoint({ status: 500 });
  const before = endpoint.requests.length;
  const publish = ['publish', '--url', endpoint.url, '--data', '{}'];
  expect(await outcomeOf(publish, { ...scene.env, ...AS.publisher })).toMatchObject({ code: 0, stderr: '' });
  const lost = await scene.publish({ webhook_url: failing.url });
  await until(() => endpoint.requests.length === before + 1);
  expect((await deadLetterOf(scene, lost)).header.get('Webhook-Dead-Letter-Reason')).toBe('exhausted');
  expect(failing.requests.length).toBe(2);
  await until(async () => {
    const row = (await statisticsOf(scene)).get(env.NATS_USER);
    expect(row).toMatchObject({ messages_acknowledged: 1, messages_dead_lettered: 1, messages_pending: 0 });
    return true;
  });
  const { stdout } = await outcomeOf(['stats', '--once'], { ...scene.env, ...AS.worker });
  expect(stdout).toMatch(/^0 pending, 0 in flight or waiting for a retry, \d dead letters/m);
  expect(await stopWorker(worker)).toMatchObject({ acksConfirmed: true });
  expect(logOf(worker).filter(({ level }) => level === 'error')).toEqual([]);
}

describe('the rights that the README gives', () => {
  it('suffice for a worker that makes what is missing, for one on what is there, for publish and stats', async () => {
    const rights = await startScene();
    await doesItsWork(rights, AS.founder);
    await doesItsWork(rights, AS.worker);
  });

  it('suffice for a stream that follows its row', async () => {
    const { scene } = await startScene();
    await stopWorker(await scene.startWorker(AS.founder));
    await scene.query(`UPDATE rule_nats_streams SET max_messages = 1234`);
    await scene.startWorker(AS.founder);
    expect((await scene.manager.streams.info('WEBHOOKS')).config.max_msgs).toBe(1234);
  });

  it('are told where they do not suffice: a worker that may not make the stream ends with the right it lacks', async () => {
    const { scene } = await startScene();
    const { code, stderr } = await outcomeOf(['worker'], { ...scene.env, ...AS.worker });
    expect(stderr).toContain(
      'NATS denies our user the right to publish to "$JS.API.STREAM.CREATE.WEBHOOKS", needed to make the stream WEBHOOKS',
    );
    expect(code).toBe(1);
  });

  it('are told to publishers', async () => {
    const { scene } = await startScene();
    const publish = ['publish', '--subject', 'orders.new', '--data', '{}'];
    const { code, stderr } = await outcomeOf(publish, { ...scene.env, ...AS.publisher });
    expect(stderr).toContain('NATS denies our user the right to publish to "orders.new"');
    expect(code).toBe(1);
  });
});

describe('without the right', () => {
  /** A worker that lacks rights, and its health, with a message that waits. */
  async function startWithout(lacking: RegExp) {
    const rights = await startScene();
    const { scene, endpoint } = rights;
    await stopWorker(await scene.startWorker(AS.founder));
    await rights.changeRights(configWith((text) => text.replaceAll(lacking, '"nothing"')));
    const port = String(await freePort());
    const env = { ...scene.env, ...QUICK, ...AS.worker, HTTP_PORT: port };
    const worker = await runProgram(['worker'], { env });
    await worker.waitForLine(/delivering/);
    const troubles = () =>
      until(async () => {
        const health = (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as {
          status: string;
          troubles: Record<string, string>;
        };
        return health.status === 'failing' && health.troubles;
      });
    const isWell = () => until(async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok);
    return { ...rights, endpoint, worker, troubles, isWell, grant: () => rights.changeRights(configWith()) };
  }

  it('to ack, nothing more is pulled; when it is granted, what was sent is acknowledged, and the rest sent once', async () => {
    const { scene, endpoint, worker, troubles, isWell, grant } = await startWithout(/"\$JS\.ACK\.[^"]+"/g);
    await scene.publish({ webhook_url: endpoint.url });
    expect((await troubles()).nats).toMatch(/right to publish to "\$JS\.ACK\./);
    await worker.waitForLine(/denies us the right to publish to \\"\$JS\.ACK\./);
    await scene.publishMany(5, endpoint.url);
    await grant();
    await isWell();
    await until(async () => (await scene.manager.streams.info('WEBHOOKS')).state.messages === 0);
    expect(endpoint.requests.length).toBe(6);
  });

  it('to pull, it says so, and goes on when it is granted', async () => {
    const { scene, endpoint, worker, troubles, isWell, grant } = await startWithout(/"[^"]*MSG\.NEXT[^"]*"/g);
    await scene.publish({ webhook_url: endpoint.url });
    await worker.waitForLine(/denies us the right to publish to \\"\$JS\.API\.CONSUMER\.MSG\.NEXT/);
    expect((await troubles()).nats).toBeDefined();
    await grant();
    await isWell();
    await until(() => endpoint.requests.length === 1);
  });

  it('to store dead letters, they wait, and are stored when it is granted', async () => {
    const { scene, troubles, isWell, grant } = await startWithout(/"dlq\.[^"]+"/g);
    const lost = await scene.publish({ no: 'endpoint' });
    expect((await troubles()).deadLetters).toMatch(/denies our user the right to publish to "dlq\.WEBHOOKS/);
    await grant();
    await isWell();
    expect((await deadLetterOf(scene, lost)).header.get('Webhook-Dead-Letter-Reason')).toBe('unroutable');
  });
});
