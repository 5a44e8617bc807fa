import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import type { Settings } from '../../../src/config/settings.ts';
import { connectToNats } from '../../../src/nats/connection/connection.ts';
import { createMessagePublisher } from '../../../src/nats/publishing/message-publisher.ts';
import { ensureStream } from '../../../src/nats/streams/stream.ts';
import { defaultWebhookStream } from '../../../src/nats/streams/stream-config.ts';
import { createPool } from '../../../src/postgres/connection/pool.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { cpuSeconds, startBenchProcess } from '../process.ts';
import { startBenchServers } from '../servers.ts';
import { inherited, OUR_PROGRAM } from '../variants.ts';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };
/** Messages of the bare publish in flight, as many as a batch of the relay has rows. */
const IN_FLIGHT = 500;
/** About 300 bytes. */
const DATA = JSON.stringify({ amount: 129_900, customer: 'Ada Lovelace', note: 'x'.repeat(230) });
const WRITERS = 32;
const WARM_UP_ROWS = 30_000;
const STREAM = 'RELAY';

/** @param keys Ordering keys; 0: rows in any order. */
function insertOf(rows: number, keys: number): string {
  const key = keys === 0 ? 'NULL' : `'k' || n % ${keys}`;
  return `INSERT INTO rule_nats_outbox (name, data, ordering_key)
    SELECT 'orders', '${DATA}', ${key} FROM generate_series(1, ${rows}) n`;
}

/** Rows for one run. */
export type RelayCase = {
  readonly name: string;
  readonly rows: number;
  readonly keys: number;
  readonly history: 'all' | 'off';
};
export type RelayFigures = { readonly rate: number; readonly cpuPer10k: number | null };
export type CommitRates = { readonly alone: number; readonly plain: number; readonly enqueuing: number };
export type RelayScene = Awaited<ReturnType<typeof openRelayScene>>;

export async function openRelayScene(settings: Settings, say: (line: string) => void) {
  const servers = await startBenchServers(settings, true, say);
  const log = pino({ level: 'silent' });
  const pool = createPool({ url: servers.databaseUrl!, size: WRITERS + 2, log });
  await migrate(pool, { log });
  const client = await connectToNats({
    servers: servers.settings.NATS_URL,
    name: 'bench-relay',
    log: SILENT,
  });
  await ensureStream(client, defaultWebhookStream(STREAM, ['webhooks.>']));
  const empty = async () => (await pool.query('SELECT FROM rule_nats_outbox LIMIT 1')).rows.length === 0;

  function startRelay(env: Readonly<Record<string, string>> = {}) {
    return startBenchProcess('relay', pathToFileURL(resolve(OUR_PROGRAM)), ['relay'], {
      ...inherited(),
      NATS_URL: servers.settings.NATS_URL.join(','),
      DATABASE_URL: servers.databaseUrl!,
      HTTP_PORT: '0',
      LOG_LEVEL: 'warn',
      LOG_FORMAT: 'json',
      ...env,
    });
  }

  async function isWarm(): Promise<void> {
    await pool.query(
      `SELECT webhook_enqueue('warm', '1'), webhook_enqueue('warm', '1', ordering_key => 'warm')`,
    );
    while (!(await empty())) await wait(20);
  }

  /** Rows per second from the commit of all rows until the table is empty, of a relay that runs already. */
  async function drain({ rows, keys, history }: RelayCase): Promise<RelayFigures> {
    const relay = startRelay({ OUTBOX_HISTORY: history });
    try {
      await Promise.race([isWarm(), relay.failed]);
      const publish = async (count: number) => {
        await pool.query(insertOf(count, keys));
        const startedAt = performance.now();
        while (!(await empty())) await Promise.race([wait(10), relay.failed]);
        return (performance.now() - startedAt) / 1000;
      };
      // A program is compiled after some ten thousands of rows.
      await publish(Math.max(rows, WARM_UP_ROWS));
      const cpu = cpuSeconds(relay.pid);
      const seconds = await publish(rows);
      const after = cpuSeconds(relay.pid);
      const used = cpu === null || after === null ? null : after - cpu;
      return { rate: rows / seconds, cpuPer10k: used === null ? null : (used / rows) * 10_000 };
    } finally {
      await relay.stop();
    }
  }

  /**
   * Rows per second of each slice while another session holds a snapshot, so that PostgreSQL can remove no dead row. The rows are
   * counted in NATS: a look into the table would itself pass the dead rows.
   */
  async function drainUnderSnapshot(slices: number, rows: number, keys: number): Promise<number[]> {
    const relay = startRelay();
    const holder = await pool.connect();
    const stored = async () => (await client.manager.streams.info(STREAM)).state.last_seq;
    try {
      await Promise.race([isWarm(), relay.failed]);
      await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await holder.query('SELECT FROM rule_nats_outbox');
      const rates: number[] = [];
      for (let slice = 0; slice < slices; slice++) {
        const before = await stored();
        await pool.query(insertOf(rows, keys));
        const startedAt = performance.now();
        while ((await stored()) < before + rows) await Promise.race([wait(10), relay.failed]);
        rates.push(rows / ((performance.now() - startedAt) / 1000));
      }
      return rates;
    } finally {
      await relay.stop();
      await holder.query('ROLLBACK');
      holder.release();
      await pool.query('VACUUM rule_nats_outbox');
    }
  }

  /** Messages per second that one process stores, without a database. */
  async function barePublish(count: number): Promise<number> {
    const publisher = createMessagePublisher(client, 30_000);
    const body = Buffer.from(DATA);
    const startedAt = performance.now();
    for (let from = 0; from < count; from += IN_FLIGHT) {
      await Promise.all(
        Array.from({ length: IN_FLIGHT }, (_, index) => {
          const id = `bench-${startedAt}-${from + index}`;
          return publisher.publish({ subject: 'webhooks.bare', body, headers: { 'Nats-Msg-Id': id } });
        }),
      );
    }
    return count / ((performance.now() - startedAt) / 1000);
  }

  /** Milliseconds from the end of a commit until NATS has the message, sorted. */
  async function latencies(count: number, pauseMs: number): Promise<number[]> {
    const relay = startRelay();
    const arrived = new Map<string, number>();
    const subscription = client.connection.subscribe('webhooks.orders', {
      callback: (_, message) => void arrived.set(message.string(), performance.now()),
    });
    try {
      await Promise.race([isWarm(), relay.failed]);
      const committed = new Map<string, number>();
      for (let number = 0; number < count; number++) {
        await wait(pauseMs);
        await pool.query(`SELECT webhook_enqueue('orders', $1)`, [`"${number}"`]);
        committed.set(`"${number}"`, performance.now());
      }
      while (arrived.size < count) await Promise.race([wait(10), relay.failed]);
      return [...committed].map(([id, at]) => Math.max(0, arrived.get(id)! - at)).toSorted((a, b) => a - b);
    } finally {
      subscription.unsubscribe();
      await relay.stop();
    }
  }

  /**
   * Commits per second of 32 writers that insert a row of their own, while a relay runs: that row alone, with the data of a webhook in a
   * plain table that nobody reads, and with the webhook.
   */
  async function commitRates(seconds: number): Promise<CommitRates> {
    await pool.query('CREATE TABLE IF NOT EXISTS bench_invoices (n bigint, note text)');
    await pool.query(
      'CREATE TABLE IF NOT EXISTS bench_plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, data jsonb)',
    );
    const relay = startRelay();
    const rateOf = async (sql: string) => {
      const endsAt = performance.now() + 1000 * seconds;
      let commits = 0;
      await Promise.all(
        Array.from({ length: WRITERS }, async () => {
          while (performance.now() < endsAt) {
            await pool.query(sql);
            commits += 1;
          }
        }),
      );
      return commits / seconds;
    };
    const insert = `INSERT INTO bench_invoices VALUES (1, 'x')`;
    try {
      await Promise.race([isWarm(), relay.failed]);
      const alone = await rateOf(`BEGIN; ${insert}; COMMIT`);
      const plain = await rateOf(
        `BEGIN; ${insert}; INSERT INTO bench_plain (name, data) VALUES ('orders', '${DATA}'); COMMIT`,
      );
      const enqueuing = await rateOf(`BEGIN; ${insert}; SELECT webhook_enqueue('orders', '${DATA}'); COMMIT`);
      while (!(await empty())) await Promise.race([wait(20), relay.failed]);
      return { alone, plain, enqueuing };
    } finally {
      await relay.stop();
    }
  }

  return {
    drain,
    drainUnderSnapshot,
    barePublish,
    latencies,
    commitRates,
    async stop() {
      await pool.end();
      await client.close();
      await servers.stop();
    },
  };
}
