import type pg from 'pg';
import type { StatisticsFlush } from '../core/records/statistics.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { errorCode } from '../runtime/failure.ts';
import { inTransaction } from './connection/transaction.ts';
import { ensurePartitions } from './tables/attempt-partitions-table.ts';
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

/**
 * Stores a flush in one transaction: all of it, or nothing if the flush was stored before. So a flush whose commit is uncertain
 * is simply sent again. Also marks other workers as inactive if they did not flush for too long.
 *
 * The order of the statements matters. The row of this instance comes first, so that a second sending of the flush waits for the
 * first. Rows that other workers may wait for come last, so that they do not wait for long. Rows of other instances are changed
 * only if no transaction holds them, so that workers that all return after PostgreSQL was away cannot deadlock.
 */
export async function storeFlush(pool: pg.Pool, flush: StatisticsFlush): Promise<'stored' | 'alreadyStored'> {
  for (let tries = 1; ; tries++) {
    try {
      return await storeOnce(pool, flush);
    } catch (error) {
      // The maintenance of another worker dropped the partition of an old attempt after `ensurePartitions` had found it.
      if (errorCode(error) !== NO_PARTITION || tries === MAX_TRIES) throw error;
    }
  }
}

async function storeOnce(pool: pg.Pool, flush: StatisticsFlush): Promise<'stored' | 'alreadyStored'> {
  await ensurePartitions(
    pool,
    flush.attempts.map((attempt) => attempt.startedAt),
  );
  const done = await inTransaction(pool, async (client) => {
    if (!(await claimFlush(client, flush))) return 'alreadyStored';
    await insertAttempts(client, flush.consumerName, flush.attempts);
    await insertDeadLetters(client, flush.deadLetters);
    await writeEndpointStates(client, flush.instanceId, flush.endpoints);
    await addToConsumer(client, flush);
    await saveProgress(client, flush);
    await retireSilentInstances(client);
    await markDeadConsumersInactive(client);
    written();
    return 'stored' as const;
  });
  committed();
  return done;
}
