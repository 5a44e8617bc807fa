import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { QueueConsumer } from '../admission/tracked-endpoint.ts';
import { type QueueSink, READ_AGAIN } from '../queue-pool.ts';
import { KindPool } from './kind-pool.ts';
import type { QueueKind } from './queue-kind.ts';

/** The queues of the parked stream in NATS, of all kinds. */
export interface ParkedQueues<M> {
  /**
   * Number of messages by key of the queue. This list is the only source of which queues hold messages. Null if NATS cannot tell
   * now.
   */
  list(): Promise<ReadonlyMap<string, number> | null>;
  /** Pulls from a queue. Null if the queue cannot be opened now. */
  open(key: string, sink: QueueSink<M>): Promise<QueueConsumer | null>;
}

export type QueueReaderOptions<M> = {
  readonly queues: ParkedQueues<M>;
  /** The first kind that owns the key of a queue gets the queue. One kind owns every key, so that no message is forgotten. */
  readonly kinds: readonly QueueKind<M>[];
  readonly log: Logger;
  /** True if this worker has sent messages lately. */
  isActive(): boolean;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** Interval of the check whether the next list is due, in milliseconds. */
const CHECK_EVERY_MS = 50;
/** Delay before the queues are listed again, in milliseconds: after NATS could not tell, and after a list failed. */
const RETRY_MS = { unknown: 5000, failed: 15_000 };

/**
 * Takes messages from the queues of the parked stream: at once if this worker parked them, at the next list if another or an
 * earlier worker did. All kinds of queues share the list; which queues are open, and for how long, is the policy of each kind.
 */
export class QueueReader<M> {
  readonly #options: QueueReaderOptions<M>;
  readonly #pools: readonly KindPool<M>[];
  #stopTimer = () => {};
  #listing: Promise<void> | null = null;
  #listedAt = Number.NEGATIVE_INFINITY;
  /** The number of queues of each kind in the last list. */
  #listed: ReadonlyMap<KindPool<M>, number> = new Map();
  /** Null: the last list came. Else the next one waits so long, also while this worker sends: NATS has enough to do. */
  #retryMs: number | null = null;

  constructor(options: QueueReaderOptions<M>) {
    const { queues, kinds, log, now } = options;
    this.#options = options;
    this.#pools = kinds.map((kind) => new KindPool(kind, { open: queues.open, log, now }));
  }

  /** Starts to read. Every message goes to the sink. */
  start(sink: (message: M) => void): void {
    this.#stopTimer = every(CHECK_EVERY_MS, () => this.#listWhenDue());
    this.#listWhenDue();
    for (const pool of this.#pools) pool.start(sink);
  }

  /** Called when this worker has parked a message. */
  onParked(key: string): void {
    this.#poolOf(key)?.onParked(key);
  }

  async stop(): Promise<void> {
    this.#stopTimer();
    for (const pool of this.#pools) pool.stop();
    await this.#listing;
    await Promise.all(this.#pools.map((pool) => pool.closed()));
  }

  #poolOf(key: string): KindPool<M> | undefined {
    return this.#pools.find(({ policy }) => policy.owns(key));
  }

  #listWhenDue(): void {
    if (this.#options.now() - this.#listedAt >= this.#listEveryMs()) this.#listing ??= this.#list();
  }

  #listEveryMs(): number {
    if (this.#retryMs !== null) return this.#retryMs;
    const isActive = this.#options.isActive();
    return Math.max(
      0,
      ...[...this.#listed].map(([{ policy }, count]) => policy.listEveryMs(count, isActive)),
    );
  }

  async #list(): Promise<void> {
    const { queues, log, now } = this.#options;
    const startedAt = now();
    try {
      const listed = await queues.list();
      this.#retryMs = listed === null ? RETRY_MS.unknown : null;
      if (listed !== null) this.#onListed(listed, startedAt);
    } catch (error) {
      log.error({ kind: 'parked', error: errorMessage(error), hint: READ_AGAIN }, 'queue.list_failed');
      this.#retryMs = RETRY_MS.failed;
    } finally {
      this.#listedAt = now();
      this.#listing = null;
    }
  }

  #onListed(listed: ReadonlyMap<string, number>, startedAt: number): void {
    const byPool = this.#divide(listed);
    for (const [pool, own] of byPool) pool.onListed(own, startedAt);
    this.#listed = new Map([...byPool].map(([pool, own]) => [pool, own.size]));
  }

  /** Each kind gets its own queues, also if none is listed: then its queues are empty. */
  #divide(listed: ReadonlyMap<string, number>): ReadonlyMap<KindPool<M>, ReadonlyMap<string, number>> {
    const byPool = new Map(this.#pools.map((pool) => [pool, new Map<string, number>()]));
    for (const [key, count] of listed) {
      const pool = this.#poolOf(key);
      if (pool !== undefined) byPool.get(pool)!.set(key, count);
    }
    return byPool;
  }
}
