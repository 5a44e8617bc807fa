import type pg from 'pg';
import { costOf } from '../core/records/refusal.ts';
import {
  ALL_STORED,
  type AttemptRecord,
  type FlushReport,
  mergeCounters,
  NO_COUNTERS,
  type StatisticsFlush,
} from '../core/records/statistics.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { errorCode } from '../runtime/failure.ts';
import { inTransaction } from './connection/transaction.ts';
import { ALL_OR_NOTHING, acceptedOnly, type Group, type Refusal, type Writer } from './flush-writer.ts';
import {
  ensurePartitions,
  ensurePossiblePartitions,
  partitionOf,
} from './tables/attempt-partitions-table.ts';
import { insertAttempts } from './tables/attempts-table.ts';
import { addToConsumer, markDeadConsumersInactive } from './tables/consumer-stats-table.ts';
import { writeEndpointStates } from './tables/endpoint-states-table.ts';
import { saveProgress } from './tables/group-progress-table.ts';
import { claimFlush, claimFlushAlone, retireSilentInstances } from './tables/instances-table.ts';
import { insertDeadLetters } from './tables/publish-history-table.ts';
import { transactionId, wasCommitted } from './tables/transaction-status.ts';

/** check_violation: PostgreSQL has no code of its own for a row without a partition. */
const NO_PARTITION = '23514';
const NO_TABLE = '42P01';
const MAX_TRIES = 3;

const written = failpoint('flush.written');
const committed = failpoint('flush.committed');

/** Constraints that are checked at the COMMIT would refuse the flush where no row can be blamed. */
const CHECK_AT_ONCE = 'SET CONSTRAINTS ALL IMMEDIATE';

const INSTANCES = 'rule_nats_worker_instances';
const CONSUMERS = 'rule_nats_consumer_stats';

export type StoredFlush = FlushReport & { readonly result: 'stored' | 'alreadyStored' };

type Tried = {
  readonly report: FlushReport;
  /** The id of the transaction, where no row of this instance says that the flush is stored. */
  readonly transaction: string | null;
};

/**
 * The last try of a flush that came as far as its COMMIT. Where the answer to the COMMIT was lost, and the flush is sent again, this
 * says what the committed try had stored.
 */
const tries = new WeakMap<StatisticsFlush, Tried>();

/**
 * Stores a flush in one transaction: all of it, or nothing if the flush was stored before. So a flush whose commit is uncertain
 * is simply sent again. Also marks other workers as inactive if they did not flush for too long.
 *
 * What PostgreSQL refuses is left out, and reported. The search for refused rows needs many statements, so it is a second try,
 * for flushes that were refused as a whole.
 *
 * @throws Errors that concern all tables, such as a lost connection. Then nothing is stored, or the commit is uncertain.
 */
export async function storeFlush(pool: pg.Pool, flush: StatisticsFlush): Promise<StoredFlush> {
  const tried = tries.get(flush);
  if (tried?.transaction != null && (await wasCommitted(pool, tried.transaction)))
    return { result: 'alreadyStored', ...tried.report };
  for (let attempts = 1; ; attempts++) {
    try {
      return await storeWhole(pool, flush);
    } catch (error) {
      const code = errorCode(error);
      if (costOf(code) === 'nothing') throw error;
      // The maintenance of another worker dropped the partition of an old attempt after `ensurePartitions` had found it.
      if (code === NO_PARTITION && attempts < MAX_TRIES) continue;
      return storeAccepted(pool, flush);
    }
  }
}

async function storeWhole(pool: pg.Pool, flush: StatisticsFlush): Promise<StoredFlush> {
  await ensurePartitions(pool, startTimes(flush));
  const whole = [{ rows: flush.attempts, isDivisible: true }];
  const stored = await inTransaction(pool, (client) => write(client, flush, whole, ALL_OR_NOTHING));
  committed();
  return stored;
}

async function storeAccepted(pool: pg.Pool, flush: StatisticsFlush): Promise<StoredFlush> {
  const missing = await ensurePossiblePartitions(pool, startTimes(flush));
  const stored = await inTransaction(pool, async (client) => {
    await client.query(CHECK_AT_ONCE);
    return write(client, flush, byPartition(flush.attempts, missing), acceptedOnly(client));
  });
  committed();
  return stored;
}

function startTimes({ attempts }: StatisticsFlush): number[] {
  return attempts.map(({ startedAt }) => startedAt);
}

/**
 * @param missing Partitions that do not exist, with the right that is missing to create them, if it is that. A larger partition may
 *   hold their days, so their rows are tried, too.
 */
function byPartition(
  attempts: readonly AttemptRecord[],
  missing: ReadonlyMap<string, string | undefined>,
): readonly Group<AttemptRecord>[] {
  const groups = new Map<string, AttemptRecord[]>();
  for (const attempt of attempts) {
    const name = partitionOf(attempt.startedAt);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [attempt]);
    else group.push(attempt);
  }
  return [...groups].map(([name, rows]) => ({
    rows,
    isDivisible: !missing.has(name),
    missingRight: missing.get(name),
  }));
}

/**
 * The order of the statements matters. The row of this instance comes first, so that a second sending of the flush waits for the
 * first. Rows that other workers may wait for come last, so that they do not wait for long. Rows of other instances are changed
 * only if no transaction holds them, so that workers that all return after PostgreSQL was away cannot deadlock.
 */
async function write(
  client: pg.PoolClient,
  flush: StatisticsFlush,
  attempts: readonly Group<AttemptRecord>[],
  writer: Writer,
): Promise<StoredFlush> {
  const claim = await claimWith(writer, client, flush);
  if (claim === 'alreadyStored') return { result: claim, ...(tries.get(flush)?.report ?? ALL_STORED) };
  const all = <R>(rows: readonly R[]) => [{ rows, isDivisible: true }];
  const waiting = {
    attempts: await writer.write('rule_nats_delivery_attempts', attempts, (rows) =>
      insertAttempts(client, flush.consumerName, rows),
    ),
    deadLetters: await writer.write('rule_nats_publish_history', all(flush.deadLetters), (rows) =>
      insertDeadLetters(client, rows),
    ),
    endpoints: await writer.write('rule_nats_endpoint_states', all(flush.endpoints), (rows) =>
      writeEndpointStates(client, flush.instanceId, rows),
    ),
  };
  const rowsDropped = writer.refused.reduce((sum, { rows }) => sum + rows, 0);
  const counters = mergeCounters(flush.counters, { ...NO_COUNTERS, rowsDropped });
  let refusal: unknown = null;
  const counted = await writer.run(CONSUMERS, () =>
    addToConsumer(client, { ...flush, counters }).catch((error) => {
      refusal = error;
      throw error;
    }),
  );
  // Not a table that was changed, but a database without our tables: a restore may be under way. The flush waits.
  if (claim !== 'new' && claim.code === NO_TABLE && counted?.code === NO_TABLE) throw refusal;
  await writer.run('rule_nats_group_progress', () => saveProgress(client, flush));
  await writer.run(INSTANCES, () => retireSilentInstances(client));
  await writer.run(CONSUMERS, () => markDeadConsumersInactive(client));
  written();
  const { refused, missingRight } = writer;
  const report = { refused, areCountersStored: counted === null, waiting, missingRight };
  tries.set(flush, { report, transaction: claim === 'new' ? null : await transactionId(client) });
  return { result: 'stored', ...report };
}

/**
 * Resolves to the refusal if PostgreSQL refuses every form of the instance's row. The flush is stored all the same: the id of its
 * transaction says whether it was.
 */
async function claimWith(
  writer: Writer,
  client: pg.PoolClient,
  flush: StatisticsFlush,
): Promise<'new' | 'alreadyStored' | Refusal> {
  let isNew = true;
  const claimBy = (statement: typeof claimFlush) =>
    writer.run(INSTANCES, async () => {
      isNew = await statement(client, flush);
    });
  // A column that came with a later migration may be what is wrong.
  if ((await claimBy(claimFlush)) === null) return isNew ? 'new' : 'alreadyStored';
  const refusal = await claimBy(claimFlushAlone);
  return refusal ?? (isNew ? 'new' : 'alreadyStored');
}
