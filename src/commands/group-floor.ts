import type { Settings } from '../config/settings.ts';
import type { GroupProgress } from '../core/stats.ts';
import type { NatsClient } from '../nats/client.ts';
import { createPatience } from '../nats/patience.ts';
import { classifyConnectError } from '../postgres/connect-problem.ts';
import { readProgress } from '../postgres/group-progress-table.ts';
import { errorCode, errorMessage } from '../runtime/failure.ts';
import type { Database } from './database.ts';

/** Nothing was ever stored there. */
const UNDEFINED_TABLE = '42P01';

/** How far the group was when that was last known: in memory, and in PostgreSQL with the statistics. */
export class GroupFloor {
  readonly #client: NatsClient;
  readonly #settings: Settings;
  readonly #database: Database;
  #lastSeen: GroupProgress | null = null;

  constructor(client: NatsClient, settings: Settings, database: Database) {
    this.#client = client;
    this.#settings = settings;
    this.#database = database;
  }

  see(progress: GroupProgress): void {
    this.#lastSeen = progress;
  }

  /**
   * The last floor that was noted in this stream; a floor counts only in the stream that it was taken in. Waits for a
   * PostgreSQL that is away where nothing else says where to start: to send again all that is kept would be worse.
   */
  async last(created: number): Promise<number | undefined> {
    const stored = await this.#stored(created);
    const floors = [this.#lastSeen, stored].flatMap((seen) =>
      seen !== null && seen.streamCreated === created ? [seen.ackFloor] : [],
    );
    return floors.length === 0 ? undefined : Math.max(...floors);
  }

  async #stored(created: number) {
    const { STREAM_NAME, QUEUE_GROUP, START_FROM } = this.#settings;
    const patience = createPatience(this.#client.log, this.#client.signal);
    for (;;) {
      try {
        return await readProgress(this.#database.pool, STREAM_NAME, QUEUE_GROUP);
      } catch (error) {
        const elsewhere = this.#lastSeen?.streamCreated === created || START_FROM !== undefined;
        if (elsewhere || classifyConnectError(error) === 'refusedUs' || errorCode(error) === UNDEFINED_TABLE)
          return null;
        await patience.pause(
          `the durable ${QUEUE_GROUP} is missing, and where it was is noted in PostgreSQL: waiting for it (${errorMessage(error)}); START_FROM starts without it`,
        );
      }
    }
  }
}
