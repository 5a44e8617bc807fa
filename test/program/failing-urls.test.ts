import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { allSettled, openScene, type Scene, setPaused } from './scene.ts';

type Body = { readonly name: string; readonly sentAt: number };
type Arrival = { readonly name: string; readonly afterMs: number };

/** An endpoint whose paths behave differently. `answer` may leave the response open. */
async function startHost(answer: (path: string, response: ServerResponse) => void) {
  const arrived = new Map<string, Arrival[]>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { name, sentAt } = JSON.parse(Buffer.concat(chunks).toString()) as Body;
    const path = request.url!.split('?')[0]!;
    arrived.set(path, [...(arrived.get(path) ?? []), { name, afterMs: Date.now() - sentAt }]);
    answer(path, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUpAfter(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, arrived, namesAt: (path: string) => new Set(arrived.get(path)?.map(({ name }) => name)) };
}

const publish = (scene: Scene, url: string, name: string, subject?: string) => {
  const data: Body = { name, sentAt: Date.now() };
  return scene.publish({ webhook_url: url, data }, subject === undefined ? {} : { subject });
};

/** Longer than in the suite: TEST_SECONDS=20, as the issue asks. */
const SECONDS = Number(process.env.TEST_SECONDS ?? 6);
const PER_SECOND = 20;
const HANGS = -1;

describe('a URL that fails, at a host with a healthy URL,', () => {
  it.each([
    ['answers 503', 503],
    ['answers 500', 500],
    ['answers 429', 429],
    ['hangs', HANGS],
  ])('takes nothing from the healthy URL: it %s', async (_, status) => {
    const scene = await openScene();
    const host = await startHost((path, response) => {
      if (path === '/good') response.end();
      else if (status !== HANGS) response.writeHead(status).end();
    });
    await scene.startWorker();
    const published: Promise<number>[] = [];
    for (let number = 0; number < SECONDS * PER_SECOND; number++) {
      published.push(
        publish(scene, `${host.url}/bad?n=${number}`, `bad${number}`),
        publish(scene, `${host.url}/good?n=${number}`, `good${number}`),
      );
      await wait(1000 / PER_SECOND);
    }
    await Promise.all(published);
    await until(() => host.namesAt('/good').size === SECONDS * PER_SECOND);
    const afterMs = host.arrived.get('/good')!.map((each) => each.afterMs);
    afterMs.sort((one, other) => one - other);
    if (process.env.TEST_SECONDS !== undefined)
      console.log(
        `p50 ${afterMs[Math.floor(afterMs.length / 2)]} ms, p99 ${afterMs[Math.floor(0.99 * afterMs.length)]} ms, most ${afterMs.at(-1)} ms; requests to /bad: ${host.arrived.get('/bad')!.length}`,
      );
    expect(host.arrived.get('/good')!.length).toBe(SECONDS * PER_SECOND);
    // The URL has a row and a queue of its own. The origin is healthy.
    const urls = await until(async () => {
      const rows = await scene.query<{ url: string; state: string; parked: number }>(
        "SELECT url, state, parked::int FROM nats_endpoint_health WHERE state <> 'flowing'",
      );
      return rows.some(({ parked }) => parked > 0) && rows.map(({ url }) => url);
    });
    expect(urls).toEqual([`${host.url}/bad`]);
  });
});

it('a URL that fails is delivered to when it recovers, also by a worker that knows only its parked queues', async () => {
  const scene = await openScene();
  let isWell = false;
  const host = await startHost((path, response) => {
    response.writeHead(path === '/good' || isWell ? 200 : 503).end();
  });
  const first = await scene.startWorker({ CONSUMER_NAME: 'first' });
  for (let number = 0; number < 60; number++) {
    await publish(scene, `${host.url}/good`, `good${number}`);
    await publish(scene, `${host.url}/bad`, `bad${number}`);
    await wait(20);
  }
  await until(() => host.namesAt('/good').size === 60);
  await until(async () => (await scene.manager.streams.info('WEBHOOKS')).state.messages === 0);
  // The next worker knows of the URL only by its parked queues.
  first.kill('SIGKILL');
  await first.waitForExit();
  await scene.startWorker({ CONSUMER_NAME: 'second' });
  isWell = true;
  await allSettled(scene);
  expect(host.namesAt('/bad').size).toBe(60);
  const { state } = await scene.manager.streams.info('WEBHOOKS_DLQ');
  expect(state.messages).toBe(0);
});

it('ordered messages of a URL that fails make no ordered messages of other URLs of its host wait', async () => {
  const scene = await openScene();
  const host = await startHost((path, response) => {
    response.writeHead(path === '/good' ? 200 : 503).end();
  });
  await scene.startWorker();
  for (let number = 0; number < 40; number++) {
    await publish(scene, `${host.url}/bad`, `bad${number}`, `webhooks.ordered.bad${number}`);
    await publish(scene, `${host.url}/good`, `good${number}`, `webhooks.ordered.good${number % 5}`);
    await wait(20);
  }
  await until(() => host.namesAt('/good').size === 40);
});

it('a pause of an origin holds its URLs, also one that is split off, and the rows of rule_webhooks there', async () => {
  const scene = await openScene();
  const host = await startHost((path, response) => {
    response.writeHead(path === '/bad' ? 503 : 200).end();
  });
  await createTables(scene);
  await register(scene, 'row', `${host.url}/row`);
  await scene.startWorker();
  const stateOf = async (url: string) => {
    const [row] = await scene.query<{ state: string }>(
      'SELECT state FROM nats_endpoint_health WHERE url = $1 AND endpoint_key LIKE $2',
      url === 'row' ? [host.url, 'row-%'] : [url, '127-%'],
    );
    return row?.state;
  };
  await scene.publish({ name: 'first', sentAt: 0 }, { subject: 'webhooks.row' });
  for (let number = 0; number < 40; number++) {
    await publish(scene, `${host.url}/good`, `good${number}`);
    await publish(scene, `${host.url}/bad`, `bad${number}`);
    await wait(20);
  }
  await until(async () => (await stateOf(`${host.url}/bad`)) !== undefined);
  await until(() => host.namesAt('/good').size === 40 && host.namesAt('/row').size === 1);
  await setPaused(scene, `${host.url}/good`, true);
  for (const url of [host.url, `${host.url}/bad`, 'row'])
    await until(async () => (await stateOf(url)) === 'paused');
  const before = [...host.arrived.values()].flat().length;
  await scene.publish({ name: 'second', sentAt: 0 }, { subject: 'webhooks.row' });
  await publish(scene, `${host.url}/good`, 'later');
  await publish(scene, `${host.url}/bad`, 'later');
  await until(async () => (await scene.manager.streams.info('WEBHOOKS')).state.messages === 0);
  // Longer than a probe of the URL that fails would wait.
  await wait(1000);
  expect([...host.arrived.values()].flat().length).toBe(before);
  await setPaused(scene, `${host.url}/good`, false);
  await until(() => host.namesAt('/good').has('later') && host.namesAt('/row').has('second'));
});

it('a URL that hangs holds one place of the cap of its origin', async () => {
  const scene = await openScene();
  const hanging = new Set<ServerResponse>();
  const host = await startHost((path, response) => {
    if (path === '/good') response.end();
    else {
      hanging.add(response);
      response.once('close', () => hanging.delete(response));
    }
  });
  await scene.startWorker({ ENDPOINT_CONCURRENCY: '4', ATTEMPT_TIMEOUT_MS: '2000', MAX_ATTEMPTS: '100' });
  await publish(scene, `${host.url}/good`, 'first');
  await until(() => host.namesAt('/good').has('first'));
  for (let number = 0; number < 60; number++) await publish(scene, `${host.url}/bad`, `bad${number}`);
  for (let number = 0; number < 60; number++) {
    await publish(scene, `${host.url}/good`, `good${number}`);
    await wait(20);
  }
  await until(() => host.namesAt('/good').size === 61);
  // The attempts that began before the URL was split off have timed out.
  await until(() => hanging.size <= 1);
  for (let number = 0; number < 60; number++) {
    await publish(scene, `${host.url}/good`, `more${number}`);
    expect(hanging.size).toBeLessThanOrEqual(1);
    await wait(20);
  }
  await until(() => host.namesAt('/good').size === 121);
});

it.each([
  1, 2,
])('under constant load, a cap of %d keeps no URL out that is split off and recovers', async (cap) => {
  const scene = await openScene();
  let isWell = false;
  let delivered = 0;
  const host = await startHost((path, response) => {
    // The origin uses all of its cap all the time.
    if (path === '/good') setTimeout(() => response.end(), 20);
    else {
      if (isWell) delivered++;
      response.writeHead(isWell ? 200 : 503).end();
    }
  });
  const worker = await scene.startWorker({
    ENDPOINT_CONCURRENCY: String(cap),
    MAX_ATTEMPTS: '100',
    PARK_AFTER_MS: '2000',
  });
  let published = 0;
  let isOver = false;
  const load = (async () => {
    // Some messages wait in slots all the time, and none is parked.
    for (; !isOver; await wait(1))
      while (published < host.namesAt('/good').size + 30 * cap)
        await publish(scene, `${host.url}/good`, `good${published++}`);
  })();
  await until(() => host.namesAt('/good').size > 0);
  for (let number = 0; number < 30; number++) {
    await publish(scene, `${host.url}/bad`, `bad${number}`);
    await wait(20);
  }
  await worker.waitForLine(/endpoint\.split/);
  isWell = true;
  const wellAt = performance.now();
  const before = host.namesAt('/good').size;
  await until(() => delivered > 0);
  const firstAfterMs = performance.now() - wellAt;
  await until(() => delivered === 30);
  if (process.env.TEST_SECONDS !== undefined)
    console.log(`first after ${firstAfterMs} ms, all after ${performance.now() - wellAt} ms`);
  isOver = true;
  await load;
  // Nor was the origin kept out.
  expect(host.namesAt('/good').size).toBeGreaterThan(before);
  await until(() => host.namesAt('/good').size === published);
});
