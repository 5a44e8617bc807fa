import type pg from 'pg';
import { costOf, type RefusedRows } from '../core/records/refusal.ts';
import {
  type AttemptRecord,
  mergeCounters,
  NO_COUNTERS,
  type StatisticsFlush,
} from '../core/records/statistics.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { errorCode } from '../runtime/failure.ts';
import { inTransaction } from './connection/transaction.ts';
import { ALL_OR_NOTHING, acceptedOnly, type Group, type Writer } from './flush-writer.ts';
import {
  ensurePartitions,
  ensurePossiblePartitions,
  partitionOf,
} from './tables/attempt-partitions-table.ts';
import { insertAttempts } from './tables/attempts-table.ts';
import { addToConsumer, markDeadConsumersInactive } from './tables/consumer-stats-table.ts';
import { writeEndpointStates } from './tables/endpoint-states-table.ts';
import { saveProgress } from './tables/group-progress-table.ts';
import { claimFlush, retireSilentInstances } from './tables/instances-table.ts';
import { insertDeadLetters } from './tables/publish-history-table.ts';

/** check_violation: PostgreSQL has no code of its own for a row without a partition. */
const NO_PARTITION = '23514';
const MAX_TRIES = 3;

const written = failpoint('flush.written');
const committed = failpoint('flush.committed');

/** Constraints that are checked at the COMMIT would refuse the flush where no row can be blamed. */
const CHECK_AT_ONCE = 'SET CONSTRAINTS ALL IMMEDIATE';

type Result = 'stored' | 'alreadyStored';

export type StoredFlush = {
  readonly result: Result;
  /** The rows that PostgreSQL refused: left out, and counted as dropped in the same transaction. */
  readonly refused: readonly RefusedRows[];
};

/**
 * Stores a flush in one transaction: all of it, or nothing if the flush was stored before. So a flush whose commit is uncertain
 * is simply sent again. Also marks other workers as inactive if they did not flush for too long.
 *
 * Rows that PostgreSQL refuses are left out, and counted in the same transaction. Their search needs many statements, so it is a
 * second try, for flushes that were refused as a whole.
 */
export async function storeFlush(pool: pg.Pool, flush: StatisticsFlush): Promise<StoredFlush> {
  for (let tries = 1; ; tries++) {
    try {
      return await storeWhole(pool, flush);
    } catch (error) {
      const code = errorCode(error);
      if (costOf(code) === 'nothing') throw error;
      // The maintenance of another worker dropped the partition of an old attempt after `ensurePartitions` had found it.
      if (code === NO_PARTITION && tries < MAX_TRIES) continue;
      return storeAccepted(pool, flush);
    }
  }
}

async function storeWhole(pool: pg.Pool, flush: StatisticsFlush): Promise<StoredFlush> {
  await ensurePartitions(pool, startTimes(flush));
  const whole = [{ rows: flush.attempts, isDivisible: true }];
  const result = await inTransaction(pool, (client) => write(client, flush, whole, ALL_OR_NOTHING));
  committed();
  return { result, refused: [] };
}

async function storeAccepted(pool: pg.Pool, flush: StatisticsFlush): Promise<StoredFlush> {
  const missing = await ensurePossiblePartitions(pool, startTimes(flush));
  const stored = await inTransaction(pool, async (client) => {
    await client.query(CHECK_AT_ONCE);
    const writer = acceptedOnly(client);
    const result = await write(client, flush, byPartition(flush.attempts, missing), writer);
    return { result, refused: writer.refused };
  });
  committed();
  return stored;
}

function startTimes({ attempts }: StatisticsFlush): number[] {
  return attempts.map(({ startedAt }) => startedAt);
}

/** @param missing Partitions that do not exist. A larger partition may hold their days, so their rows are tried, too. */
function byPartition(
  attempts: readonly AttemptRecord[],
  missing: ReadonlySet<string>,
): readonly Group<AttemptRecord>[] {
  const groups = new Map<string, AttemptRecord[]>();
  for (const attempt of attempts) {
    const name = partitionOf(attempt.startedAt);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [attempt]);
    else group.push(attempt);
  }
  return [...groups].map(([name, rows]) => ({ rows, isDivisible: !missing.has(name) }));
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
): Promise<Result> {
  if (!(await claimFlush(client, flush))) return 'alreadyStored';
  const all = <R>(rows: readonly R[]) => [{ rows, isDivisible: true }];
  await writer.write('rule_nats_delivery_attempts', attempts, (rows) =>
    insertAttempts(client, flush.consumerName, rows),
  );
  await writer.write('rule_nats_publish_history', all(flush.deadLetters), (rows) =>
    insertDeadLetters(client, rows),
  );
  await writer.write('rule_nats_endpoint_states', all(flush.endpoints), (rows) =>
    writeEndpointStates(client, flush.instanceId, rows),
  );
  const rowsDropped = writer.refused.reduce((sum, { rows }) => sum + rows, 0);
  await addToConsumer(client, {
    ...flush,
    counters: mergeCounters(flush.counters, { ...NO_COUNTERS, rowsDropped }),
  });
  await writer.run('rule_nats_group_progress', () => saveProgress(client, flush));
  await writer.run('rule_nats_worker_instances', () => retireSilentInstances(client));
  await writer.run('rule_nats_consumer_stats', () => markDeadConsumersInactive(client));
  written();
  return 'stored';
}
