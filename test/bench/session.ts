import { openNats } from '../../src/commands/connect/open-nats.ts';
import type { Settings } from '../../src/config/settings.ts';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import { createPool } from '../../src/postgres/connection/pool.ts';
import { readConsumerStats } from '../../src/postgres/tables/consumer-stats-table.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import type { BenchEndpoint } from './endpoint.ts';
import { makeBenchQueue } from './queue.ts';
import { type Measurement, measure } from './run.ts';
import type { BenchServers } from './servers.ts';
import type { Variant } from './variants.ts';

export type BenchRunOptions = {
  readonly endpoint: BenchEndpoint;
  readonly messages: number;
  readonly concurrency: number;
};

export interface BenchSession {
  run(variant: Variant, options: BenchRunOptions): Promise<Measurement>;
  /** The versions of the servers, for the line above the figures. */
  versions(): Promise<string>;
  close(): Promise<void>;
}

/** Runs workers one after the other on the same servers. Each worker has its own stream. */
export async function openBenchSession({
  settings,
  databaseUrl,
  natsPid,
}: BenchServers): Promise<BenchSession> {
  const client = await openNats(settings, 'nats-webhook-worker bench');
  const log = await createLogger({ level: 'silent', format: 'json' });
  const pool = databaseUrl === null ? null : createPool({ url: databaseUrl, size: 1, log });
  let runs = 0;

  async function run(
    variant: Variant,
    { endpoint, messages, concurrency }: BenchRunOptions,
  ): Promise<Measurement> {
    const stream = `BENCH_${process.pid}_${++runs}`;
    const queue = await makeBenchQueue(client, stream, settings.ACK_WAIT_MS);
    const worker = variant.start(
      {
        ...serversOf(settings),
        stream,
        durable: queue.durable,
        concurrency,
        url: `${endpoint.url}/hook`,
        idPrefix: `${stream}-`,
      },
      databaseUrl,
    );
    const recorded = async (count: number) => {
      if (pool === null || !variant.records) return true;
      const rows = await readConsumerStats(pool, stream);
      return rows.reduce((sum, row) => sum + row.settled, 0) >= count;
    };
    try {
      return await measure({ name: variant.name, queue, endpoint, worker, messages, natsPid, recorded });
    } finally {
      await worker.stop();
      await removeQuietly(client, queue.remove);
    }
  }

  return {
    run,
    async versions() {
      const nats = `nats-server ${client.connection.info?.version}`;
      if (pool === null) return nats;
      const { rows } = await pool.query('SHOW server_version');
      return `${nats}, PostgreSQL ${rows[0].server_version}`;
    },
    async close() {
      await Promise.all([client.close(), pool?.end()]);
    },
  };
}

function serversOf({ NATS_URL, NATS_USER, NATS_PASS }: Settings) {
  return { servers: NATS_URL, user: NATS_USER, pass: NATS_PASS };
}

/** When the bench is stopped, its servers may end before its streams are removed. */
async function removeQuietly(client: NatsClient, remove: () => Promise<void>): Promise<void> {
  if (client.isConnected()) await remove();
}
