import type { Settings } from '../../config/settings.ts';
import type { GroupProgress } from '../../core/records/statistics.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createRetryDelay } from '../../nats/connection/retry-delay.ts';
import { classifyConnectError } from '../../postgres/connection/connect-problem.ts';
import { readProgress } from '../../postgres/tables/group-progress-table.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { Database } from '../connections/database.ts';

/** The code of a missing table: nothing was ever stored in this database. */
const UNDEFINED_TABLE = '42P01';
/** How long the start waits for PostgreSQL, in milliseconds. After it, all messages in the stream are delivered. */
const POSTGRES_WAIT_MS = 30_000;

/** The last known ack floor of the group: in memory, and in PostgreSQL with the statistics. */
export class AckFloorStore {
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #database: Database;
  #lastSeen: GroupProgress | null = null;

  constructor(client: NatsClient, settings: Settings, database: Database) {
    this.#client = client;
    this.#settings = settings;
    this.#database = database;
  }

  observe(progress: GroupProgress): void {
    this.#lastSeen = progress;
  }

  /**
   * Returns the last known ack floor of this stream. A floor of an earlier stream of the same name does not count. If nothing
   * else gives a start position, this waits up to POSTGRES_WAIT_MS for PostgreSQL, because delivering the whole stream again
   * would be worse.
   *
   * @param only True if nothing else gives a start position.
   */
  async latest(created: number, only: boolean): Promise<number | undefined> {
    const seen = this.#lastSeen?.streamCreatedAt === created ? this.#lastSeen.ackFloor : undefined;
    const { isSet } = this.#settings;
    const waits = only && seen === undefined && isSet('DATABASE_URL') && !isSet('START_FROM');
    const stored = await this.#stored(waits ? POSTGRES_WAIT_MS : 0);
    if (stored?.streamCreatedAt !== created) return seen;
    return Math.max(stored.ackFloor, seen ?? 0);
  }

  async #stored(awayMs: number) {
    const { STREAM_NAME, QUEUE_GROUP } = this.#settings;
    const delay = createRetryDelay(this.#client.log, this.#client.signal);
    const until = performance.now() + awayMs;
    for (;;) {
      try {
        return await readProgress(this.#database.pool, STREAM_NAME, QUEUE_GROUP);
      } catch (error) {
        const isAway = classifyConnectError(error) === 'away' && errorCode(error) !== UNDEFINED_TABLE;
        if (!isAway || performance.now() >= until) return null;
        const why = errorMessage(error);
        const hint = `The durable ${QUEUE_GROUP} is missing, and its last position is stored in PostgreSQL, which does not answer (${why}). The worker waits at most ${POSTGRES_WAIT_MS / 1000} s for PostgreSQL. Then the worker delivers all messages in the stream.`;
        await delay.wait(
          { durable: QUEUE_GROUP, stream: STREAM_NAME, error: why, waitMs: POSTGRES_WAIT_MS, hint },
          'consumer.start_unknown',
        );
      }
    }
  }
}
