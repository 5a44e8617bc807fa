import { Pool } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { OriginPools } from '../../src/http/origin-pools.ts';
import { until } from '../support/wait.ts';
import { closedPort, startHttp } from './endpoints.ts';

function openPools(mostConnections: number) {
  const pools = new OriginPools((origin) => new Pool(origin), mostConnections);
  onTestFinished(() => pools.destroy());
  const ask = (url: string) =>
    new Promise<'answered' | 'failed'>((resolve) => {
      pools.dispatch(
        { origin: new URL(url).origin, path: '/', method: 'POST', body: 'x' },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: () => resolve('answered'),
          onResponseError: () => resolve('failed'),
        },
      );
    });
  return { pools, ask };
}

/** Starts this number of endpoints, each with its own origin. */
async function startMany(count: number) {
  return Promise.all(Array.from({ length: count }, () => startHttp((_, response) => response.end())));
}

test('idle connections are closed if there are too many', async () => {
  const { pools, ask } = openPools(8);
  const endpoints = await startMany(40);
  for (const { url } of endpoints) {
    expect(await ask(url)).toBe('answered');
    expect(pools.connections).toBeLessThanOrEqual(8);
  }
  expect(pools.size).toBeLessThanOrEqual(8);
});

test('the connection of an endpoint that is used often stays open', async () => {
  const { ask } = openPools(8);
  const endpoints = await startMany(40);
  const busy = endpoints[0]!;
  for (const { url } of endpoints) {
    await ask(url);
    await ask(busy.url);
  }
  // The second request may start just before the first connection is free.
  expect(busy.connections()).toBeLessThanOrEqual(2);
});

test('more attempts than the maximum of idle connections may be in flight, each with its own connection', async () => {
  const { pools, ask } = openPools(2);
  const endpoints = await startMany(10);
  const answers = await Promise.all(endpoints.flatMap(({ url }) => [ask(url), ask(url)]));
  expect(answers.every((answer) => answer === 'answered')).toBe(true);
  await ask(endpoints[0]!.url);
  await until(() => pools.connections <= 2);
});

test('no pool is left of endpoints that refuse connections', async () => {
  const { pools, ask } = openPools(1000);
  for (let number = 1; number <= 5; number++)
    expect(await ask(`http://127.0.0.1:${await closedPort()}`)).toBe('failed');
  await until(() => pools.size === 0);
});
