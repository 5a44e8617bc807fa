import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { QueueConsumer } from '../admission/tracked-endpoint.ts';
import { QueuePool, type QueueSink, READ_AGAIN } from '../queue-pool.ts';

/** The queues of ordered webhooks in NATS, one queue per subject. */
export interface OrderedQueues<M> {
  /** Number of messages by queue. This list is the only source of which queues hold messages. Null if NATS cannot tell now. */
  list(): Promise<ReadonlyMap<string, number> | null>;
  /** Pulls from a queue. NATS delivers a message when the one before is settled. Null if the queue cannot be opened now. */
  open(queue: string, owner: QueueSink<M>): Promise<QueueConsumer | null>;
  /** Reports some messages when they are published, not all. @returns A function that stops the reports. */
  listen(onPublished: (queue: string) => void): () => void;
}

export type OrderedQueueReaderOptions<M> = {
  readonly queues: OrderedQueues<M>;
  /** The most queues that are open at once. MAX_OPEN_QUEUES. */
  readonly maxOpenQueues: number;
  /** The most queues that wait to be opened. If more hold messages, each list takes a different part. MAX_TRACKED_ENDPOINTS. */
  readonly maxTrackedQueues: number;
  /** True if messages may come now. */
  mayPull(): boolean;
  readonly log: Logger;
  readonly clock: Clock;
};

/** Interval of the check for queues to open or close, in milliseconds. */
const CHECK_EVERY_MS = 50;
/** How many queues are being opened at once. Few, because a new consumer is one of the most expensive requests to nats-server. */
const OPENED_AT_ONCE = 4;
/** Interval between two lists of the queues, in milliseconds: `few` below MANY queues, `many` from MANY queues on. */
const LIST_EVERY_MS = { few: 2000, many: 15_000 };
const MANY = 1000;
/** A queue that delivers nothing is closed after `max`, or after `crowded` while others wait to be opened, in milliseconds. */
const IDLE_MS = { max: 10_000, crowded: 250 };
/** How long a queue stays open while other queues wait to be opened, in milliseconds. Without others, it stays open longer. */
const TIME_SLICE_MS = 10_000;
/** How long a queue stays closed after it delivered nothing, in milliseconds. Doubled each time. Reasons: see `#awaitLonger`. */
const EMPTY_BACKOFF: BackoffOptions = { initialMs: 1000, maxMs: 16_000 };
/**
 * The longest time that a queue stays closed for a retry of its message, in milliseconds. After a longer time, the next message
 * would have waited for nothing if an operator removes that message. Older servers would also delete the durable as idle, and
 * its attempts would restart.
 */
const MAX_IDLE_MS = 15_000;

/** `knownAt`: when the reader learned of its messages. `notBefore`: earliest time to open. Both on the clock of the options. */
type WaitingQueue = {
  readonly queue: string;
  readonly knownAt: number;
  readonly notBefore: number;
  readonly emptyTurns: number;
};
type OpenQueue = WaitingQueue & {
  readonly consumer: QueueConsumer;
  readonly since: number;
  /** `at`: when the last message came or was settled. `pending`: messages after the last one. */
  readonly activity: { at: number; hasCome: boolean; pending: number };
};

/**
 * Opens the queues of ordered webhooks that hold messages: at once after a report of a new message, otherwise at the next list.
 * While a message waits here for capacity at its endpoint, its queue is closed, so that other queues can be opened.
 * Not a kind of `QueueReader`: the lease of the one message outlives the open queue. The queue must not open again before the
 * message is settled, and its result decides when.
 */
export class OrderedQueueReader<M extends { readonly pending: number }> {
  readonly #options: OrderedQueueReaderOptions<M>;
  readonly #open = new QueuePool<OpenQueue>();
  /** Queues whose message this worker holds. */
  readonly #held = new Set<string>();
  #listed: ReadonlyMap<string, number> = new Map();
  /** Queues that hold messages and are not open. The first queue has waited longest. */
  readonly #waiting = new Map<string, WaitingQueue>();
  #sink: (message: M) => void = () => {};
  #stopTimer = () => {};
  #unsubscribe: () => void = () => {};
  #listing: Promise<void> | null = null;
  #listAt = 0;
  /** Index at which the next list starts. Different each time, because a list may be longer than `maxTrackedQueues`. */
  #listIndex = 0;
  #stopped = false;
  constructor(options: OrderedQueueReaderOptions<M>) {
    this.#options = options;
  }

  /** Messages in all queues at the last list. */
  get pending(): number {
    return [...this.#listed.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Starts to read. Every message goes to the sink. */
  start(sink: (message: M) => void): void {
    this.#sink = sink;
    this.#unsubscribe = this.#options.queues.listen((queue) => this.onPublished(queue));
    this.#stopTimer = every(CHECK_EVERY_MS, () => this.#check(), { clock: this.#options.clock });
    this.#check();
  }

  /** Called for a new message. If an earlier message of the queue waits for a retry, the queue stays closed until then. */
  onPublished(queue: string): void {
    if (this.#isTaken(queue) || this.#waiting.has(queue)) return;
    this.#await(queue);
    this.#check();
  }

  /** Closes the queue: its message waits here for capacity. NATS delivers nothing else until that message is settled. */
  onBlocked(queue: string): void {
    this.#open.close(queue);
  }

  /**
   * Called when the message of the queue is settled.
   *
   * @param pending Messages after it.
   * @param delayMs Delay until NATS delivers it again, in milliseconds; 0: at once, or never.
   */
  onSettled(queue: string, pending: number, delayMs: number): void {
    this.#held.delete(queue);
    const open = this.#open.get(queue);
    if (open !== undefined) {
      open.activity.at = this.#options.clock.now();
      if (delayMs < IDLE_MS.crowded) return;
      this.#open.close(queue);
    }
    if (pending > 0 || delayMs > 0) this.#await(queue, Math.min(delayMs, MAX_IDLE_MS));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.#stopTimer();
    for (const { queue } of this.#open.values()) this.#open.close(queue);
    await this.#listing;
    await this.#open.closed();
  }

  #isTaken(queue: string): boolean {
    return this.#open.has(queue) || this.#held.has(queue);
  }

  #await(queue: string, delayMs = 0, emptyTurns = 0): void {
    if (this.#stopped || this.#waiting.size >= this.#options.maxTrackedQueues) return;
    const now = this.#options.clock.now();
    this.#waiting.set(queue, { queue, knownAt: now, notBefore: now + delayMs, emptyTurns });
  }

  /** Delays a queue that delivered nothing: another worker has its message, the message waits for a retry, or NATS fails. */
  #awaitLonger({ queue, emptyTurns }: WaitingQueue): void {
    this.#await(queue, backoff(EMPTY_BACKOFF, emptyTurns + 1), emptyTurns + 1);
  }

  #check(): void {
    const now = this.#options.clock.now();
    if (now >= this.#listAt) this.#listing ??= this.#list();
    const isCrowded = this.#isFull() && [...this.#waiting.values()].some(({ notBefore }) => notBefore <= now);
    for (const open of this.#open.values()) if (this.#isOver(open, now, isCrowded)) this.#endTimeSlice(open);
    if (!this.#options.mayPull()) return;
    for (const key of this.#waiting.values()) {
      if (this.#isFull() || this.#open.opening >= OPENED_AT_ONCE) return;
      if (key.notBefore > now || this.#open.has(key.queue)) continue;
      this.#waiting.delete(key.queue);
      void this.#openQueue(key);
    }
  }

  #isFull(): boolean {
    return this.#open.size >= this.#options.maxOpenQueues;
  }

  #isOver(open: OpenQueue, now: number, isCrowded: boolean): boolean {
    const { queue, since, activity } = open;
    const isEmpty = activity.hasCome && activity.pending === 0 && !this.#held.has(queue);
    if (isCrowded) return isEmpty || now - activity.at > IDLE_MS.crowded || now - since > TIME_SLICE_MS;
    return now - activity.at > IDLE_MS.max && !this.#held.has(queue) && !this.#listed.has(queue);
  }

  async #openQueue(key: WaitingQueue): Promise<void> {
    const { queue } = key;
    const open = await this.#open
      .open(queue, () => this.#pull(key))
      .catch((error) => {
        const about = { kind: 'ordered', queue, error: errorMessage(error), hint: READ_AGAIN };
        this.#options.log.error(about, 'queue.open_failed');
        return null;
      });
    if (open === null) this.#awaitLonger(key);
    else this.#waiting.delete(queue);
    if (this.#stopped) this.#open.close(queue);
    else this.#check();
  }

  async #pull(key: WaitingQueue): Promise<OpenQueue | null> {
    const { queues, mayPull, clock } = this.#options;
    const activity = { at: clock.now(), hasCome: false, pending: 0 };
    const consumer = await queues.open(key.queue, {
      capacity: () => (mayPull() && !this.#stopped ? 1 : 0),
      onMessage: (message) => {
        this.#held.add(key.queue);
        Object.assign(activity, { at: clock.now(), hasCome: true, pending: message.pending });
        this.#sink(message);
      },
    });
    return consumer && { ...key, consumer, since: clock.now(), activity };
  }

  /** Closes the queue. An empty queue opens again after a report of a new message, or after a list that has it. */
  #endTimeSlice(open: OpenQueue): void {
    this.#open.close(open.queue);
    if (this.#held.has(open.queue)) return;
    if (!open.activity.hasCome) this.#awaitLonger(open);
    else if (open.activity.pending > 0) this.#await(open.queue);
  }

  async #list(): Promise<void> {
    const { queues, clock, log } = this.#options;
    const startedAt = clock.now();
    try {
      const listed = await queues.list();
      if (listed !== null) this.#take(listed, startedAt);
      this.#listAt = clock.now() + ((listed?.size ?? 0) < MANY ? LIST_EVERY_MS.few : LIST_EVERY_MS.many);
    } catch (error) {
      log.error({ kind: 'ordered', error: errorMessage(error), hint: READ_AGAIN }, 'queue.list_failed');
      this.#listAt = clock.now() + LIST_EVERY_MS.many;
    } finally {
      this.#listing = null;
    }
  }

  #take(listed: ReadonlyMap<string, number>, startedAt: number): void {
    this.#listed = listed;
    for (const { queue, knownAt } of this.#waiting.values())
      if (!listed.has(queue) && knownAt < startedAt) this.#waiting.delete(queue);
    const queues = [...listed.keys()];
    for (let index = 0; index < queues.length; index++) {
      const queue = queues[(this.#listIndex + index) % queues.length]!;
      if (!this.#isTaken(queue) && !this.#waiting.has(queue)) this.#await(queue);
    }
    this.#listIndex += MANY;
  }
}
