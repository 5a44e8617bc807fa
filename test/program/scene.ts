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

/** Lets a worker deliver to the endpoints of the tests, flush its statistics soon, and listen on a free port. */
const SETTINGS: Environment = {
  ALLOWED_PRIVATE_CIDRS: '127.0.0.0/8',
  STATS_INTERVAL_MS: '100',
  HTTP_PORT: '0',
};

/** A nats-server and a database of one test, and workers on them. `cleanUpAfter` ends all of them. */
export interface Scene {
  readonly nats: TestNats;
  /** The settings that workers start with. */
  readonly env: Environment;
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  /** The connection of the test itself. */
  readonly connection: NatsConnection;
  /** Starts `worker`, and resolves when it has logged `worker.started`, or a line that matches `line`. */
  startWorker(env?: Environment, options?: RunOptions, line?: RegExp): Promise<RunningProgram>;
  /** Stores a message, and resolves to its sequence. Bytes are stored as they are, and any other value as JSON. */
  publish(message: unknown, options?: { subject?: string; headers?: Environment }): Promise<number>;
  /** Stores `count` envelopes for this URL. */
  publishMany(count: number, url: string): Promise<void>;
  query<T extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]>;
  /** Resolves to the row of the message in `nats_deliveries` once the row has this status. */
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
  /** @default a new database in the PostgreSQL that all tests share */
  readonly databaseUrl?: string;
  /** @default a new nats-server */
  readonly nats?: TestNats;
  /** The login of the test itself. Workers get theirs from their settings. */
  readonly login?: ConnectionOptions;
}

export async function openScene(parts: SceneParts = {}): Promise<Scene> {
  const nats = parts.nats ?? (await startTestNats());
  return { ...(await openSceneOn(nats.url, parts)), nats };
}

/** Opens a scene on servers that the test has started. @param natsUrl One URL, or several with commas between them. */
export async function openSceneOn(
  natsUrl: string,
  parts: Omit<SceneParts, 'nats'> = {},
): Promise<Omit<Scene, 'nats'>> {
  const databaseUrl = parts.databaseUrl ?? (await createTestDatabase()).url;
  const env = { ...SETTINGS, NATS_URL: natsUrl, DATABASE_URL: databaseUrl };
  const { js, manager, connection } = await openJetStream(natsUrl, parts.login);
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  // Tests kill the server. The next query replaces a broken idle connection.
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

/** Skips the rest of a test on a nats-server that is older than 2.11: it has no pause of consumers and no Nats-TTL. */
export function skipBefore211({ connection }: Pick<Scene, 'connection'>, skip: (why: string) => void): void {
  const version = connection.info?.version ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major === 2 && minor < 11) skip(`nats-server ${version} has no pause of consumers and no Nats-TTL`);
}

/** A client of the test itself. It reconnects after a restart of the server. */
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
  /** In arrival order. */
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

/** The log lines about attempts. Lines about successful attempts need LOG_LEVEL=debug. */
export function attemptsLogged(program: RunningProgram) {
  return logOf(program).filter(({ msg }) => msg === 'delivery.attempted');
}

/** Stops a worker, and returns the last line of its log. */
export async function stopWorker(worker: RunningProgram): Promise<Record<string, unknown>> {
  worker.kill();
  const exit = await worker.waitForExit();
  if (exit.code !== 0)
    throw new Error(`the worker ended with ${JSON.stringify(exit)}:\n${worker.stderr.join('\n')}`);
  return logOf(worker).at(-1)!;
}

const COUNTER_COLUMNS = [
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

type CounterColumn = (typeof COUNTER_COLUMNS)[number];
export type StatisticsRow = { readonly active: boolean } & Readonly<Record<CounterColumn, number>>;

/** The statistics row of each worker, by its name. */
export async function statisticsOf(scene: Scene): Promise<Map<string, StatisticsRow>> {
  const counts = COUNTER_COLUMNS.map((column) => `${column}::int`).join(', ');
  const rows = await scene.query<StatisticsRow & { consumer_name: string }>(
    `SELECT consumer_name, active, ${counts} FROM rule_nats_consumer_stats`,
  );
  return new Map(rows.map((row) => [row.consumer_name, row]));
}

export function sumOf(rows: Map<string, StatisticsRow>, column: CounterColumn): number {
  return [...rows.values()].reduce((sum, row) => sum + row[column], 0);
}

/**
 * Pauses or resumes an endpoint, as an operator does. A running worker notices this within about a second, and a
 * starting worker before its first delivery.
 */
export async function setPaused(scene: Pick<Scene, 'query'>, url: string, paused: boolean): Promise<void> {
  await scene.query(
    `INSERT INTO rule_nats_endpoints (endpoint_key, paused) VALUES (nats_endpoint_key($1), $2)
     ON CONFLICT (endpoint_key) DO UPDATE SET paused = excluded.paused`,
    [url, paused],
  );
}

/**
 * Resolves when every message is delivered or dead-lettered: the stream and the parked stream are empty.
 */
export async function allSettled({ manager }: Pick<Scene, 'manager'>, timeoutMs?: number): Promise<void> {
  const messagesIn = async (stream: string) => (await manager.streams.info(stream)).state.messages;
  // In this order, because a message is stored in the parked stream before it leaves the stream.
  const isEmpty = async () =>
    (await messagesIn('WEBHOOKS')) === 0 && (await messagesIn('WEBHOOKS_PARKED')) === 0;
  await until(isEmpty, timeoutMs === undefined ? {} : { timeoutMs });
}

/** Resolves to the dead letter of a message. */
export function deadLetterOf(scene: Scene, sequence: number, stream = 'WEBHOOKS'): Promise<StoredMsg> {
  return until(async () => {
    const { state } = await scene.manager.streams.info(`${stream}_DLQ`);
    for (let at = state.first_seq; at <= state.last_seq; at++) {
      const deadLetter = await scene.manager.streams.getMessage(`${stream}_DLQ`, { seq: at });
      if (deadLetter.header.get('Webhook-Original-Sequence') === String(sequence)) return deadLetter;
    }
    return undefined;
  });
}
