import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type pg from 'pg';
import { pino } from 'pino';
import type { Settings } from '../../../src/config/settings.ts';
import { connectToNats } from '../../../src/nats/connection/connection.ts';
import { consumerInfo } from '../../../src/nats/consumers/consumer-info.ts';
import { ensureStream } from '../../../src/nats/streams/stream.ts';
import { defaultWebhookStream } from '../../../src/nats/streams/stream-config.ts';
import { createPool } from '../../../src/postgres/connection/pool.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { type BenchEndpoint, startBenchEndpoint } from '../endpoint.ts';
import { publishBatch } from '../memory/publish-batch.ts';
import { type BenchProcess, startBenchProcess } from '../process.ts';
import { startBenchServers } from '../servers.ts';
import { inherited, OUR_PROGRAM } from '../variants.ts';

const STREAM = 'REGISTRY';
const DURABLE = 'bench';
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

/** How the rows of a case are made. */
export type RowsOfCase = {
  readonly rows: number;
  /** So many of them have a wildcard in `nats_subject`. */
  readonly wildcards: number;
  /** True: all rows have one subject. */
  readonly isOneSubject: boolean;
};

/** When the worker had read all rows, in milliseconds since 1970, and how long it took. */
type FirstRead = { readonly at: number; readonly tookMs: number };

type StartedWorker = BenchProcess & { readonly firstRead: Promise<FirstRead> };

/** Real servers, and what a case needs of them. */
export type RegistryScene = Awaited<ReturnType<typeof openRegistryScene>>;

export async function openRegistryScene(settings: Settings, say: (line: string) => void) {
  const stops: (() => unknown)[] = [];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  try {
    const servers = await startBenchServers(settings, true, say);
    stops.push(servers.stop);
    const pool = createPool({ url: servers.databaseUrl!, size: 4, log: pino({ level: 'silent' }) });
    stops.push(() => pool.end());
    await migrate(pool, { log: pino({ level: 'silent' }) });
    const client = await connectToNats({
      servers: servers.settings.NATS_URL,
      name: 'bench-registry',
      log: SILENT,
    });
    stops.push(client.close);
    await ensureStream(client, defaultWebhookStream(STREAM, [`${STREAM}.>`]));
    const endpoint = await startBenchEndpoint(0);
    stops.push(endpoint.stop);
    const probe = await startProbe();
    stops.push(probe.stop);
    return {
      pool,
      endpoint,
      probe,
      natsPid: servers.natsPid,
      postgresPid: await postmasterOf(pool),
      stop,
      fill: (rows: RowsOfCase) => fill(pool, endpoint, rows),
      startWorker(): StartedWorker {
        let read = (_: FirstRead) => {};
        const firstRead = new Promise<FirstRead>((resolve) => {
          read = resolve;
        });
        const env = {
          ...inherited(),
          NATS_URL: servers.settings.NATS_URL.join(','),
          DATABASE_URL: servers.databaseUrl!,
          STREAM_NAME: STREAM,
          SUBJECT: `${STREAM}.>`,
          QUEUE_GROUP: DURABLE,
          CONSUMER_NAME: 'bench',
          ALLOWED_PRIVATE_CIDRS: '127.0.0.0/8',
          HTTP_PORT: '0',
          LOG_LEVEL: 'info',
          LOG_FORMAT: 'json',
        };
        const worker = startBenchProcess(
          'worker',
          pathToFileURL(resolve(OUR_PROGRAM)),
          ['worker'],
          env,
          (line) => {
            if (line.includes('"registry.read"')) read({ at: Date.now(), tookMs: JSON.parse(line).tookMs });
          },
        );
        stops.push(worker.stop);
        return { ...worker, firstRead };
      },
      /** Publishes payloads to the subjects of these rows. */
      async publish(count: number, rowOf: (number: number) => number): Promise<void> {
        const data = Buffer.from('{"amount":129900,"currency":"EUR","customer":"Ada Lovelace"}');
        for (let number = 0; number < count; number += 500) {
          const some = Math.min(500, count - number);
          await Promise.all(
            Array.from({ length: some }, (_, index) =>
              publishBatch({
                connection: client.connection,
                subject: subjectOf(rowOf(number + index)),
                count: 1,
                dataOf: () => data,
              }),
            ),
          );
        }
      },
      async isSettled(): Promise<boolean> {
        const info = await consumerInfo(client, STREAM, DURABLE);
        return info !== null && info.pending === 0 && info.ackPending === 0;
      },
      /** Removes the streams of a case. */
      async reset(): Promise<void> {
        for (const name of [STREAM, `${STREAM}_PARKED`, `${STREAM}_DLQ`])
          await client.manager.streams.delete(name).catch(() => false);
        await ensureStream(client, defaultWebhookStream(STREAM, [`${STREAM}.>`]));
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function subjectOf(row: number): string {
  return `${STREAM}.c${row}.paid`;
}

async function fill(pool: pg.Pool, endpoint: BenchEndpoint, { rows, wildcards, isOneSubject }: RowsOfCase) {
  const subject = isOneSubject
    ? `'${subjectOf(1)}'`
    : `'${STREAM}.c' || n || CASE WHEN n % 2 = 1 AND n < 2 * ${wildcards} THEN '.*' ELSE '.paid' END`;
  await pool.query(`TRUNCATE rule_webhooks RESTART IDENTITY CASCADE`);
  await pool.query(
    `INSERT INTO rule_webhooks (webhook_name, url, nats_subject, headers, description)
     SELECT 'customer-' || n, $1 || '/customers/' || n || '/webhooks', ${subject},
       jsonb_build_object('Authorization', 'Bearer ' || md5(n::text)), 'the endpoint of customer ' || n
     FROM generate_series(1, $2::integer) n`,
    [endpoint.url, rows],
  );
  // One row in ten signs.
  await pool.query(
    `INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value)
     SELECT webhook_id, 'signing_secret', 'whsec_' || encode(sha256(webhook_id::text::bytea), 'base64')
     FROM rule_webhooks WHERE webhook_id % 10 = 0`,
  );
  await pool.query('VACUUM ANALYZE rule_webhooks');
}

/** An HTTP server that tells when a path is first requested. */
async function startProbe() {
  const awaited = new Map<string, (at: number) => void>();
  const server = createServer((request, response) => {
    request.resume();
    response.end();
    awaited.get(request.url!)?.(performance.now());
    awaited.delete(request.url!);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    /** Resolves when the path is requested, to the time. */
    requested: (path: string) => new Promise<number>((requestedAt) => awaited.set(path, requestedAt)),
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function postmasterOf(pool: pg.Pool): Promise<number | null> {
  const { rows } = await pool.query('SELECT pg_backend_pid() AS pid');
  try {
    const status = readFileSync(`/proc/${rows[0].pid}/status`, 'utf8');
    return Number(/^PPid:\s+(\d+)$/m.exec(status)![1]);
  } catch {
    return null;
  }
}

/** Waits until a condition holds, looking every 50 ms. */
export async function whenever(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await wait(50);
}
