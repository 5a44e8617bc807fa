import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { openScene, startEndpoint } from './scene.ts';

const CROWD = 300;

/** A server that answers nothing, at as many addresses of this machine as are asked for. */
async function startSilentCrowd(count: number) {
  let requests = 0;
  const server = createServer(() => {
    requests++;
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  cleanUpAfter(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    urls: Array.from(
      { length: count },
      (_, number) => `http://127.0.${1 + (number >> 8)}.${number % 256}:${port}/`,
    ),
    requests: () => requests,
  };
}

it('many new endpoints that hang do not keep a new endpoint from its messages, before any of them times out', async () => {
  const [scene, crowd, healthy] = [await openScene(), await startSilentCrowd(CROWD), await startEndpoint()];
  // No attempt times out during the test.
  await scene.startWorker({ ATTEMPT_TIMEOUT_MS: '300000', ACK_WAIT_MS: '600000', CONCURRENCY: '64' });
  await Promise.all(crowd.urls.map((url) => scene.publish({ webhook_url: url, data: {} })));
  await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages >= CROWD - 36);
  for (let number = 0; number < 20; number++)
    await scene.publish({ webhook_url: healthy.url, data: { number } });
  await until(() => healthy.received().webhookIds === 20);
  expect(crowd.requests()).toBeLessThanOrEqual(36);
});
