import type pg from 'pg';
import { maxAgeMs, retryPolicy } from '../../config/retry-policy.ts';
import type { Settings } from '../../config/settings.ts';
import { type EarlyEnds, earlyEnds } from '../../core/endpoint/early-ends.ts';
import { type SettingDifference, settingDifferences } from '../../core/records/worker-instance.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { connectToNats } from '../../nats/connection/connection.ts';
import { type ConsumerProgress, consumerInfo } from '../../nats/consumers/consumer-info.ts';
import { type Finding, problemsFirst } from '../../nats/findings/finding.ts';
import { readQueueFindings } from '../../nats/findings/queue-findings.ts';
import { readFindings } from '../../nats/findings/read-findings.ts';
import { messagesIn, scheduledIn } from '../../nats/streams/waiting-messages.ts';
import { describeConnectError } from '../../postgres/connection/connect-problem.ts';
import { createPool } from '../../postgres/connection/pool.ts';
import { type ConsumerStats, readConsumerStats } from '../../postgres/tables/consumer-stats-table.ts';
import {
  readUnhealthyEndpoints,
  type UnhealthyEndpoints,
} from '../../postgres/tables/endpoint-health-view.ts';
import { readEndpointLimits } from '../../postgres/tables/endpoints-table.ts';
import { type Backlog, readBacklog } from '../../postgres/tables/outbox-backlog-view.ts';
import { readRetries } from '../../postgres/tables/webhooks-table.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import { createLogger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import { natsOptions } from '../../worker/connections/servers.ts';
import { findingsWanted, queuesWanted } from '../../worker/topology/configuration-watch.ts';
import { ENDPOINTS_SHOWN } from './endpoints-view.ts';

/** The statistics at one moment. A string instead of a value says why the value is unknown. */
export type Snapshot = {
  readonly rows: readonly ConsumerStats[] | string;
  readonly endpoints: UnhealthyEndpoints | string;
  /** Where the settings of the live workers of the group differ. */
  readonly differing: readonly SettingDifference[] | string;
  /** Which retry policies give up within an hour. */
  readonly early: EarlyEnds;
  readonly group: ConsumerProgress | string;
  /** What the configurations of the streams and of the durable mean for deliveries: problems first. */
  readonly findings: readonly Finding[];
  /** Messages in the parked queues of endpoints. Null if unknown. */
  readonly parked: number | null;
  /** Messages that wait for their `Webhook-Deliver-At`. Null if unknown. */
  readonly scheduled: number | null;
  /** Ordered messages that wait or are in flight. Null if unknown. */
  readonly ordered: number | null;
  /** What waits in the outbox. */
  readonly outbox: Backlog | string;
  /** Stored dead letters. Null if unknown. */
  readonly deadLetters: number | null;
};

export interface StatsSources {
  read(): Promise<Snapshot>;
  close(): Promise<void>;
}

/** How long the first connect to NATS may take, in milliseconds. Above: the snapshot reports that NATS cannot be reached. */
const PATIENCE_MS = 3000;
const UNDEFINED = new Set(['42P01', '42703']);
const INSUFFICIENT_PRIVILEGE = '42501';
const NOTHING_KNOWN = { parked: null, scheduled: null, ordered: null, deadLetters: null, findings: [] };
/** How many retry policies that end early are named. The others are only counted. */
const EARLY_ENDS_SHOWN = 10;
const READ_RETRIES_EVERY_MS = 30_000;
const NO_EARLY_ENDS: EarlyEnds = { shown: [], more: 0 };
const EMPTY: Backlog = { waiting: 0, failed: 0, oldestAgeMs: null };
const NONE: UnhealthyEndpoints = { endpoints: [], total: 0 };

/** Opens both servers as sources. Each server may be unreachable at any time, and come back later. */
export async function openStatsSources(settings: Settings): Promise<StatsSources> {
  const log = await createLogger({ level: 'silent', format: 'json' });
  const pool = createPool({ url: settings.DATABASE_URL, size: 1, log });
  const nats = natsInBackground(settings);
  const readEarlyEnds = earlyEndsReader(pool, settings);
  return {
    async read() {
      const [known, client] = await Promise.all([fromPostgres(pool, settings, readEarlyEnds), nats.client()]);
      if (typeof client === 'string') return { ...known, group: client, ...NOTHING_KNOWN };
      const [group, waiting, scheduled, ordered, deadLetters, findings] = await Promise.all([
        groupOf(client, settings),
        messagesIn(client, settings.PARKED_STREAM_NAME),
        scheduledIn(client, {
          sourceStream: settings.STREAM_NAME,
          parkedStream: settings.PARKED_STREAM_NAME,
        }),
        messagesIn(client, settings.ORDERED_STREAM_NAME),
        messagesIn(client, settings.DLQ_STREAM_NAME),
        findingsOf(client, settings),
      ]);
      const parked = waiting === null ? null : Math.max(0, waiting - (scheduled ?? 0));
      return { ...known, group, parked, scheduled, ordered, deadLetters, findings };
    },
    async close() {
      await Promise.all([nats.close(), pool.end()]);
    },
  };
}

async function fromPostgres(
  pool: pg.Pool,
  settings: Settings,
  readEarlyEnds: () => Promise<EarlyEnds>,
): Promise<Pick<Snapshot, 'rows' | 'endpoints' | 'differing' | 'early' | 'outbox'>> {
  try {
    const rows = await readConsumerStats(pool, settings.STREAM_NAME);
    const endpoints = await endpointsOf(pool, settings);
    return {
      rows,
      endpoints,
      differing: await differingOf(pool, settings),
      early: await readEarlyEnds(),
      outbox: await unlessDenied('The outbox cannot be shown', () => readBacklog(pool)),
    };
  } catch (error) {
    // The problem is reported once, instead of the workers.
    return {
      rows: problemOf(error, settings),
      endpoints: NONE,
      differing: [],
      early: NO_EARLY_ENDS,
      outbox: EMPTY,
    };
  }
}

/** Reads the retry policies of rows now and then: with 100,000 rows it costs PostgreSQL about 0.1 s of CPU time. */
function earlyEndsReader(pool: pg.Pool, settings: Settings): () => Promise<EarlyEnds> {
  let known = NO_EARLY_ENDS;
  let readAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - readAt < READ_RETRIES_EVERY_MS) return known;
    const rows = await readRetries(pool, EARLY_ENDS_SHOWN).catch((error) => {
      // A role may lack the right to read the rows. Then only the settings are known.
      if (errorCode(error) === INSUFFICIENT_PRIVILEGE) return [];
      throw error;
    });
    known = earlyEnds(retryPolicy(settings), rows, maxAgeMs(settings), EARLY_ENDS_SHOWN);
    readAt = performance.now();
    return known;
  };
}

function differingOf(
  pool: pg.Pool,
  { STREAM_NAME: streamName, QUEUE_GROUP: queueGroup }: Settings,
): Promise<readonly SettingDifference[] | string> {
  return unlessDenied('The settings of the workers cannot be compared', async () => {
    const { instances, problem } = await readEndpointLimits(pool, { streamName, queueGroup });
    return instances === null
      ? `The settings of the workers cannot be compared: ${problem}.`
      : settingDifferences(instances);
  });
}

function problemOf(error: unknown, settings: Settings): string {
  return UNDEFINED.has(errorCode(error) ?? '')
    ? 'The tables do not exist yet, or are of an older version: start a worker, or run migrate.'
    : describeConnectError(error, settings.DATABASE_URL);
}

function endpointsOf(pool: pg.Pool, settings: Settings): Promise<UnhealthyEndpoints | string> {
  return unlessDenied('The endpoints cannot be shown', () =>
    readUnhealthyEndpoints(pool, settings.STREAM_NAME, ENDPOINTS_SHOWN),
  );
}

/**
 * A role that was created for an older version may lack the right to read what `stats` reads since then. The rows of the workers
 * are shown anyway.
 *
 * @returns What `read` resolves to; a sentence for a person if the right is missing.
 */
async function unlessDenied<T>(what: string, read: () => Promise<T>): Promise<T | string> {
  try {
    return await read();
  } catch (error) {
    if (errorCode(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    return `${what}: ${errorMessage(error)}`;
  }
}

/** Connects to NATS in the background, without a time limit, while PostgreSQL is read. */
function natsInBackground(settings: Settings) {
  const closing = new AbortController();
  let problem = 'NATS does not answer';
  let connected: NatsClient | undefined;
  const warn = ({ hint }: { hint: string }) => {
    problem = hint;
  };
  const connecting = connectToNats({
    ...natsOptions(settings),
    name: 'nats-webhook-worker stats',
    log: { info: () => {}, warn, error: warn },
    signal: closing.signal,
  }).then(
    (client) => {
      connected = client;
    },
    (error) => {
      problem = errorMessage(error);
    },
  );
  return {
    async client(): Promise<NatsClient | string> {
      await withTimeout(PATIENCE_MS, connecting);
      return connected?.isConnected() ? connected : problem;
    },
    async close() {
      closing.abort();
      await connecting;
      await connected?.close();
    },
  };
}

function noGroup({ QUEUE_GROUP, STREAM_NAME }: Settings): string {
  return `The group ${QUEUE_GROUP} is not on the stream ${STREAM_NAME} yet: a worker makes it.`;
}

async function groupOf(client: NatsClient, settings: Settings): Promise<ConsumerProgress | string> {
  try {
    return (await consumerInfo(client, settings.STREAM_NAME, settings.QUEUE_GROUP)) ?? noGroup(settings);
  } catch (error) {
    return `The number of waiting messages cannot be read: ${errorMessage(error)}`;
  }
}

/** A worker may have got SUBJECT and ACK_WAIT_MS from its own environment: only settings that are set here are compared. */
async function findingsOf(client: NatsClient, settings: Settings): Promise<readonly Finding[]> {
  const wanted = findingsWanted(settings);
  const read = await Promise.all([
    readFindings(client, {
      ...wanted,
      subjects: settings.isSet('SUBJECT') ? wanted.subjects : null,
      ackWaitMs: settings.isSet('ACK_WAIT_MS') ? wanted.ackWaitMs : null,
    }),
    readQueueFindings(client, queuesWanted(settings)),
  ]);
  return problemsFirst(read.flat().flatMap(({ findings }) => findings ?? []));
}
