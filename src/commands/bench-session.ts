import type { Settings } from '../config/settings.ts';
import type { BenchEndpoint } from '../load/bench-endpoint.ts';
import { type Measurement, measure } from '../load/bench-run.ts';
import type { NatsClient } from '../nats/client.ts';
import { readConsumerStats } from '../postgres/consumer-stats-table.ts';
import { createPool } from '../postgres/pool.ts';
import { createLogger } from '../runtime/logger.ts';
import { makeBenchQueue } from './bench-queue.ts';
import type { BenchServers } from './bench-servers.ts';
import type { Variant } from './bench-variants.ts';
import { openNats } from './open-nats.ts';

export type BenchRunOptions = {
  readonly endpoint: BenchEndpoint;
  readonly messages: number;
  readonly concurrency: number;
};

export interface BenchSession {
  run(variant: Variant, options: BenchRunOptions): Promise<Measurement>;
  close(): Promise<void>;
}

/** Runs workers one after the other on the same servers, each on a stream of its own. */
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
      return rows.reduce((sum, row) => sum + row.delivered, 0) >= count;
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
