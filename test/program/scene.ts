import {
  type ConnectionOptions,
  connect,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  type StoredMsg,
} from 'nats';
import pg from 'pg';
import {
  type ReceivedRequest,
  type Receiver,
  type ReceiverOptions,
  startReceiver,
} from '../../src/receiver/receiver.ts';
import { cleanUpAfter } from '../support/clean-up.ts';
import { type RunningProgram, type RunOptions, runProgram } from '../support/program.ts';
import { createTestDatabase, startTestNats, type TestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';

export type Environment = Readonly<Record<string, string>>;

/** What lets a worker deliver to endpoints of the tests, tell its statistics soon, and keep its port to itself. */
const SETTINGS: Environment = {
  ALLOWED_PRIVATE_CIDRS: '127.0.0.0/8',
  STATS_INTERVAL_MS: '100',
  HTTP_PORT: '0',
};

/** A NATS and a database of their own, and workers on them. Everything ends as `cleanUpAfter` says. */
export interface Scene {
  readonly nats: TestNats;
  /** The settings that workers start with. */
  readonly env: Environment;
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  /** The tests' own. */
  readonly connection: NatsConnection;
  /** Starts `worker`, and resolves when it delivers, or has written another line. */
  startWorker(env?: Environment, options?: RunOptions, line?: RegExp): Promise<RunningProgram>;
  /** Stores a message (JSON, unless it is bytes already), and resolves to its sequence. */
  publish(message: unknown, options?: { subject?: string; headers?: Environment }): Promise<number>;
  /** Stores `count` envelopes for this URL. */
  publishMany(count: number, url: string): Promise<void>;
  query<T extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]>;
  /** The row of `nats_deliveries`, once it is there with this status. */
  deliveryOf(sequence: number, status: string): Promise<DeliveryRow>;
}

export interface DeliveryRow {
  readonly status: string;
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
  readonly dead_letter_reason: string | null;
}

interface SceneParts {
  /** @default a database of its own in the PostgreSQL that all tests share */
  readonly databaseUrl?: string;
  /** @default one of its own */
  readonly nats?: TestNats;
  /** Of the tests themselves; workers are told by their settings. */
  readonly login?: ConnectionOptions;
}

export async function openScene(given: SceneParts = {}): Promise<Scene> {
  const nats = given.nats ?? (await startTestNats());
  return { ...(await openSceneOn(nats.url, given)), nats };
}

/** A scene on servers that the test has started itself, comma-separated. */
export async function openSceneOn(
  natsUrl: string,
  given: Omit<SceneParts, 'nats'> = {},
): Promise<Omit<Scene, 'nats'>> {
  const databaseUrl = given.databaseUrl ?? (await createTestDatabase()).url;
  const env = { ...SETTINGS, NATS_URL: natsUrl, DATABASE_URL: databaseUrl };
  const { js, manager, connection } = await openJetStream(natsUrl, given.login);
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  // Tests kill the server: an idle connection that breaks is replaced by the next query.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  cleanUpAfter(() => pool.end());

  const query = async <T extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
    (await pool.query<T>(sql, values)).rows;

  const publish: Scene['publish'] = async (
    message,
    { subject = 'webhooks.test', headers: named = {} } = {},
  ) => {
    const bytes = message instanceof Uint8Array ? message : Buffer.from(JSON.stringify(message));
    const sent = headers();
    for (const [name, value] of Object.entries(named)) sent.set(name, value);
    return (await js.publish(subject, bytes, { headers: sent })).seq;
  };

  return {
    env,
    js,
    manager,
    connection,
    query,
    publish,
    async startWorker(settings = {}, options = {}, line = /worker\.started/) {
      const worker = await runProgram(['worker'], { ...options, env: { ...env, ...settings } });
      await worker.waitForLine(line);
      return worker;
    },
    async publishMany(count, url) {
      const numbers = Array.from({ length: count }, (_, number) => number);
      await Promise.all(numbers.map((number) => publish({ webhook_url: url, data: { number } })));
    },
    deliveryOf: (sequence, status) =>
      until(async () => {
        const [row] = await query<DeliveryRow>(
          `SELECT * FROM nats_deliveries WHERE delivery_id LIKE 'WEBHOOKS-%-' || $1::text`,
          [sequence],
        );
        return row?.status === status && row;
      }),
  };
}

/** A client of the tests' own, which survives restarts of the server. */
export async function openJetStream(url: string, login: ConnectionOptions = {}) {
  const connection = await connect({
    servers: url.split(','),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    ...login,
  });
  cleanUpAfter(() => connection.close());
  return {
    connection,
    js: connection.jetstream(),
    manager: await connection.jetstreamManager({ checkAPI: false }),
  };
}

export interface Endpoint extends Receiver {
  /** In the order of their arrival. */
  readonly requests: readonly ReceivedRequest[];
}

export async function startEndpoint(options: ReceiverOptions = {}): Promise<Endpoint> {
  const requests: ReceivedRequest[] = [];
  const receiver = await startReceiver(options, (request) => requests.push(request));
  cleanUpAfter(() => receiver.close());
  return { ...receiver, requests };
}

/** The JSON lines of a program's log. */
export function logOf(program: RunningProgram): Record<string, unknown>[] {
  return program.stdout.map((line) => JSON.parse(line));
}

/** The lines that tell of attempts; all of them only with LOG_LEVEL=debug. */
export function attemptsLogged(program: RunningProgram) {
  return logOf(program).filter(({ msg }) => msg === 'delivery.attempted');
}

/** Stops a worker, and returns its last line. */
export async function stopWorker(worker: RunningProgram): Promise<Record<string, unknown>> {
  worker.kill();
  const exit = await worker.waitForExit();
  if (exit.code !== 0) throw new Error(`it ended with ${JSON.stringify(exit)}:\n${worker.stderr.join('\n')}`);
  return logOf(worker).at(-1)!;
}

const COUNTED = [
  'messages_delivered',
  'messages_acknowledged',
  'messages_retried',
  'messages_dead_lettered',
  'messages_handed_back',
  'messages_parked',
  'messages_dropped',
  'messages_pending',
  'http_attempts',
  'rows_dropped',
] as const;

type Counted = (typeof COUNTED)[number];
export type StatisticsRow = { readonly active: boolean } & Readonly<Record<Counted, number>>;

/** The statistics row of each worker, by its name. */
export async function statisticsOf(scene: Scene): Promise<Map<string, StatisticsRow>> {
  const counts = COUNTED.map((column) => `${column}::int`).join(', ');
  const rows = await scene.query<StatisticsRow & { consumer_name: string }>(
    `SELECT consumer_name, active, ${counts} FROM rule_nats_consumer_stats`,
  );
  return new Map(rows.map((row) => [row.consumer_name, row]));
}

export function sumOf(rows: Map<string, StatisticsRow>, column: Counted): number {
  return [...rows.values()].reduce((sum, row) => sum + row[column], 0);
}

/** What an operator says of an endpoint. Workers hear it within about a second; one that starts, before it delivers. */
export async function setPaused(scene: Pick<Scene, 'query'>, url: string, paused: boolean): Promise<void> {
  await scene.query(
    `INSERT INTO rule_nats_endpoints (endpoint_key, paused) VALUES (nats_endpoint_key($1), $2)
     ON CONFLICT (endpoint_key) DO UPDATE SET paused = excluded.paused`,
    [url, paused],
  );
}

/**
 * Resolves when every message is delivered or given up: nothing waits, neither in the stream nor in an endpoint's own
 * queue.
 */
export async function drained({ manager }: Pick<Scene, 'manager'>, timeoutMs?: number): Promise<void> {
  const left = async (stream: string) => (await manager.streams.info(stream)).state.messages;
  // In this order: a message that is parked is in the queue before it leaves the stream.
  const isDrained = async () => (await left('WEBHOOKS')) === 0 && (await left('WEBHOOKS_PARKED')) === 0;
  await until(isDrained, timeoutMs === undefined ? {} : { timeoutMs });
}

/** The dead letter of a message. */
export function deadLetterOf(scene: Scene, sequence: number, stream = 'WEBHOOKS'): Promise<StoredMsg> {
  return until(async () => {
    const { state } = await scene.manager.streams.info(`${stream}_DLQ`);
    for (let at = state.first_seq; at <= state.last_seq; at++) {
      const letter = await scene.manager.streams.getMessage(`${stream}_DLQ`, { seq: at });
      if (letter.header.get('Webhook-Original-Sequence') === String(sequence)) return letter;
    }
    return undefined;
  });
}
