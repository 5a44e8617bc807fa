import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { createTables } from './rows.ts';
import { allSettled, openScene, type Scene, statisticsOf, sumOf } from './scene.ts';

const ENDPOINTS = Number(process.env.TEST_ENDPOINTS ?? 200);
/** Longer than in the suite: TEST_ROWS=10000, as the issue asks. */
const ROWS = Number(process.env.TEST_ROWS ?? 1000);
/** How long the requests are counted. */
const SECONDS = 5;

/** Starts a host with this answer. @param port 0: a free one. */
async function startHost(port: number, status: number) {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url!);
    request.resume().once('end', () => response.writeHead(status).end());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  cleanUpAfter(close);
  return { port: (server.address() as AddressInfo).port, paths, close };
}

async function attemptsOf(scene: Scene): Promise<number> {
  return sumOf(await statisticsOf(scene), 'http_attempts');
}

type Kind = {
  readonly endpoints: 'urls' | 'rows';
  readonly trouble: 'refuses' | 'answers 503';
  /** @default ENDPOINTS */
  readonly count?: number;
};

async function registerMany(scene: Scene, count: number, url: string): Promise<void> {
  await scene.query(
    `INSERT INTO rule_webhooks (webhook_name, url, max_retries, retry_delay_ms)
     SELECT 'r' || n, $1 || '/' || n, 10, 1000 FROM generate_series(0, $2::int - 1) n`,
    [url, count],
  );
}

async function publishFor(scene: Scene, { endpoints, count = ENDPOINTS }: Kind, url: string): Promise<void> {
  for (let number = 0; number < count; number++) {
    if (endpoints === 'urls') await scene.publish({ webhook_url: `${url}/${number}`, data: { number } });
    else await scene.publish({ number }, { subject: `webhooks.r${number}` });
  }
}

describe('many endpoints of one origin', () => {
  it.each<Kind>([
    { endpoints: 'urls', trouble: 'refuses' },
    { endpoints: 'rows', trouble: 'refuses', count: ROWS },
    { endpoints: 'urls', trouble: 'answers 503' },
    { endpoints: 'rows', trouble: 'answers 503' },
  ])('get one probe at a time together, and all go on when it is back: %o', {
    timeout: 500_000,
  }, async (kind) => {
    const scene = await openScene();
    const down = await startHost(0, 503);
    const url = `http://127.0.0.1:${down.port}`;
    if (kind.trouble === 'refuses') await down.close();
    const env = { MAX_ATTEMPTS: '100' };
    if (kind.endpoints === 'rows') {
      await createTables(scene, env);
      await registerMany(scene, kind.count ?? ENDPOINTS, url);
    }
    await scene.startWorker(env);
    await publishFor(scene, kind, url);
    await until(async () => (await scene.manager.streams.info('WEBHOOKS')).state.messages === 0);
    // Statistics follow the deliveries. The origin is found out before.
    await until(async () => (await attemptsOf(scene)) >= 3);
    await wait(1000);
    const before = await attemptsOf(scene);
    await wait(1000 * SECONDS);
    const probes = (await attemptsOf(scene)) - before;
    if (process.env.TEST_ENDPOINTS !== undefined || process.env.TEST_ROWS !== undefined)
      console.log(`${before} attempts, then ${probes} in ${SECONDS} s`);
    // An origin that is open for 250 ms, 25 % shorter at random, gets at most six in a second.
    expect(probes).toBeLessThanOrEqual(6 * SECONDS);
    await down.close();
    const back = await startHost(down.port, 200);
    await allSettled(scene, 240_000);
    expect(new Set(back.paths).size).toBeGreaterThan(0.9 * (kind.count ?? ENDPOINTS));
    const { state } = await scene.manager.streams.info('WEBHOOKS_DLQ');
    expect(state.messages).toBe(0);
  });
});
