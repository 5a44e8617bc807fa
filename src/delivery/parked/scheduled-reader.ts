import { type ScheduledBucket, scheduledBucket } from '../../core/scheduled-queue.ts';
import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { QueueConsumer } from '../admission/tracked-endpoint.ts';
import { QueuePool, READ_AGAIN } from '../queue-pool.ts';
import type { ParkedQueues } from './parked-reader.ts';

export type ScheduledQueueReaderOptions<M> = {
  readonly queues: Pick<ParkedQueues<M>, 'open'>;
  /** How many messages may come now, from all scheduled queues together. */
  capacity(): number;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  at(): number;
};

/** Interval of the check for queues to open or close, in milliseconds. */
const CHECK_EVERY_MS = 100;
/** The most queues that are open at once. More than two are due only after all workers were away. */
const MAX_OPEN = 32;
/**
 * A queue whose messages are all due is closed when nothing has come for this long, in milliseconds. Messages that remain come
 * with the next list.
 */
const IDLE_MS = 1000;
/** Delay before a queue that could not be opened is opened again, in milliseconds. */
const REOPEN_MS = 1000;

type OpenQueue = {
  readonly bucket: ScheduledBucket;
  readonly consumer: QueueConsumer;
  readonly activity: { at: number };
};

/** Takes scheduled messages when they are due. Each scheduled queue holds the messages of one day or of one minute. */
export class ScheduledQueueReader<M> {
  readonly #options: ScheduledQueueReaderOptions<M>;
  /** Queues that hold messages and are not open. */
  readonly #waiting = new Map<string, ScheduledBucket>();
  readonly #open = new QueuePool<OpenQueue>();
  #sink: (message: M) => void = () => {};
  #stopTimer = () => {};
  #stopped = false;

  constructor(options: ScheduledQueueReaderOptions<M>) {
    this.#options = options;
  }

  /** Starts to read. Every message goes to the sink. */
  start(sink: (message: M) => void): void {
    this.#sink = sink;
    this.#stopTimer = every(CHECK_EVERY_MS, () => this.#check());
    this.#check();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTimer();
    for (const { bucket } of this.#open.values()) this.#open.close(bucket.key);
    await this.#open.closed();
  }

  /** Called when this worker has put a message into the queue. */
  onParked(key: string): void {
    const open = this.#open.get(key);
    if (open !== undefined) open.activity.at = this.#options.now();
    else this.#add(key);
  }

  /** Takes the scheduled queues out of a list of all queues that hold messages, and returns the other queues. */
  takeScheduled(listed: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    const others = new Map<string, number>();
    for (const [key, count] of listed) if (!this.#add(key)) others.set(key, count);
    return others;
  }

  /** @returns False if the key is the queue of an endpoint. */
  #add(key: string): boolean {
    if (this.#waiting.has(key) || this.#open.has(key)) return true;
    const queue = scheduledBucket(key);
    if (queue !== null) this.#waiting.set(key, queue);
    return queue !== null;
  }

  #check(): void {
    const at = this.#options.at();
    for (const { bucket, consumer, activity } of this.#open.values()) {
      const isIdle = this.#options.now() - activity.at > IDLE_MS;
      if (isIdle && bucket.endsAt + IDLE_MS <= at) this.#open.close(bucket.key);
      else consumer.pullMore();
    }
    const due = [...this.#waiting.values()].filter(({ opensAt }) => opensAt <= at);
    due.sort((one, other) => one.opensAt - other.opensAt);
    const left = MAX_OPEN - this.#open.size;
    for (const queue of due.slice(0, Math.max(0, left))) void this.#openQueue(queue);
  }

  async #openQueue(queue: ScheduledBucket): Promise<void> {
    const { key } = queue;
    this.#waiting.delete(key);
    const open = await this.#open
      .open(key, () => this.#pull(queue))
      .catch((error) => {
        const about = { kind: 'scheduled', queue: key, error: errorMessage(error), hint: READ_AGAIN };
        this.#options.log.error(about, 'queue.open_failed');
        return null;
      });
    if (open === null) this.#waiting.set(key, { ...queue, opensAt: this.#options.at() + REOPEN_MS });
    else if (this.#stopped) this.#open.close(key);
  }

  async #pull(bucket: ScheduledBucket): Promise<OpenQueue | null> {
    const { queues, capacity, now } = this.#options;
    const activity = { at: now() };
    const consumer = await queues.open(bucket.key, {
      capacity: () => (this.#stopped ? 0 : Math.ceil(capacity() / Math.max(1, this.#open.size))),
      onMessage: (message) => {
        activity.at = now();
        this.#sink(message);
      },
    });
    return consumer && { bucket, consumer, activity };
  }
}
