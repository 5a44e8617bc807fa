import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { QueueConsumer } from '../admission/tracked-endpoint.ts';
import { QueuePool, type QueueSink, READ_AGAIN } from '../queue-pool.ts';

/** The queues of ordered webhooks, one for each subject, as NATS keeps them. */
export interface OrderedQueues<M> {
  /** Messages by queue: the only source of which queues hold any. Null if that cannot be known now. */
  list(): Promise<ReadonlyMap<string, number> | null>;
  /** Pulls from a queue, which hands out the next message when the one before is settled. Null where that is not possible now. */
  open(queue: string, owner: QueueSink<M>): Promise<QueueConsumer | null>;
  /** Tells of some messages as they are published. @returns what ends it. */
  listen(onPublished: (queue: string) => void): () => void;
}

export type OrderedQueueReaderOptions<M> = {
  readonly queues: OrderedQueues<M>;
  /** Queues that are pulled from at once. MAX_OPEN_QUEUES. */
  readonly maxOpenQueues: number;
  /** Queues that are remembered; where more hold something, they take turns. MAX_TRACKED_ENDPOINTS. */
  readonly maxTrackedQueues: number;
  /** Whether messages may come now. */
  mayPull(): boolean;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** How often it is looked which queues are to be opened, in milliseconds. */
const CHECK_EVERY_MS = 50;
/** How many are being opened at once: to make a consumer is among the dearest things that nats-server is asked for. */
const OPENED_AT_ONCE = 4;
/** How often the queues are listed, in milliseconds; with many of them, the second. */
const LIST_EVERY_MS = { few: 2000, many: 15_000 };
const MANY = 1000;
/** One that hands out nothing is closed after this long, or, while others wait for their turn, after this long. */
const IDLE_MS = { max: 10_000, crowded: 250 };
/** While others wait, one has its turn for this long, in milliseconds. */
const TIME_SLICE_MS = 10_000;
/** One whose message is with a peer, or waits for its retry, is left alone for so long, in milliseconds; doubled each time. */
const EMPTY_BACKOFF_MS = { first: 1000, max: 16_000 };
/**
 * One whose message comes again later is left alone until then, at most for so long, in milliseconds: somebody may remove that
 * message, and the next one waits for nothing; and to older servers a durable that nobody pulls from is idle, also while its
 * message waits, so that its end would begin the attempts anew.
 */
const MAX_IDLE_MS = 15_000;

/** `knownAt`: since when it is known to hold something, `notBefore`: before when it is left alone, on the clock of the options. */
type WaitingQueue = {
  readonly queue: string;
  readonly knownAt: number;
  readonly notBefore: number;
  readonly emptyTurns: number;
};
type OpenQueue = WaitingQueue & {
  readonly consumer: QueueConsumer;
  readonly since: number;
  /** `at`: when a message came, or was settled, last; `pending`: what was to come after the last one. */
  readonly activity: { at: number; hasCome: boolean; pending: number };
};

/**
 * Opens the queues of ordered webhooks that hold something: those it hears of at once, those of its peers and of workers before
 * it when they are listed. Those whose message waits here for room are closed meanwhile, so that others have their turn.
 */
export class OrderedQueueReader<M extends { readonly pending: number }> {
  readonly #options: OrderedQueueReaderOptions<M>;
  readonly #open = new QueuePool<OpenQueue>();
  /** Their message is here. */
  readonly #held = new Set<string>();
  #listed: ReadonlyMap<string, number> = new Map();
  /** Known to hold something; the first has waited longest for its turn. */
  readonly #waiting = new Map<string, WaitingQueue>();
  #sink: (message: M) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: () => void = () => {};
  #listing: Promise<void> | null = null;
  #listAt = 0;
  /** From which one on a list is taken: another one each time, since it may be longer than what is remembered. */
  #turn = 0;
  #stopped = false;
  constructor(options: OrderedQueueReaderOptions<M>) {
    this.#options = options;
  }

  /** Messages in all queues, as they were counted last. */
  get pending(): number {
    return [...this.#listed.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Whether it held something when that was known last. */
  hasBacklog(queue: string): boolean {
    return this.#listed.has(queue) || this.#held.has(queue) || this.#waiting.has(queue);
  }

  /** Begins to read; every message goes to the sink. */
  start(sink: (message: M) => void): void {
    this.#sink = sink;
    this.#unsubscribe = this.#options.queues.listen((queue) => this.onPublished(queue));
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
    this.#check();
  }

  /** A message was published there. A queue whose message waits for a retry stays closed: the new one is behind that. */
  onPublished(queue: string): void {
    if (this.#isTaken(queue) || this.#waiting.has(queue)) return;
    this.#await(queue);
    this.#check();
  }

  /** Its message waits here for room at its endpoint: nothing comes until that is settled. */
  onBlocked(queue: string): void {
    this.#open.close(queue);
  }

  /**
   * Its message is settled.
   *
   * @param pending What was to come after it.
   * @param delayMs When it comes again; 0: it does not, or at once.
   */
  onSettled(queue: string, pending: number, delayMs: number): void {
    this.#held.delete(queue);
    const open = this.#open.get(queue);
    if (open !== undefined) {
      open.activity.at = this.#options.now();
      if (delayMs < IDLE_MS.crowded) return;
      this.#open.close(queue);
    }
    if (pending > 0 || delayMs > 0) this.#await(queue, Math.min(delayMs, MAX_IDLE_MS));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    clearInterval(this.#timer);
    for (const { queue } of this.#open.values()) this.#open.close(queue);
    await this.#listing;
    await this.#open.closed();
  }

  #isTaken(queue: string): boolean {
    return this.#open.has(queue) || this.#held.has(queue);
  }

  #await(queue: string, delayMs = 0, emptyTurns = 0): void {
    if (this.#stopped || this.#waiting.size >= this.#options.maxTrackedQueues) return;
    const now = this.#options.now();
    this.#waiting.set(queue, { queue, knownAt: now, notBefore: now + delayMs, emptyTurns });
  }

  /** Nothing came of it: its message is with a peer, or waits for its retry, or NATS is in trouble. */
  #awaitLonger({ queue, emptyTurns }: WaitingQueue): void {
    this.#await(
      queue,
      Math.min(EMPTY_BACKOFF_MS.max, EMPTY_BACKOFF_MS.first * 2 ** emptyTurns),
      emptyTurns + 1,
    );
  }

  #check(): void {
    const now = this.#options.now();
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
    const { queues, mayPull, now } = this.#options;
    const activity = { at: now(), hasCome: false, pending: 0 };
    const consumer = await queues.open(key.queue, {
      capacity: () => (mayPull() && !this.#stopped ? 1 : 0),
      onMessage: (message) => {
        this.#held.add(key.queue);
        Object.assign(activity, { at: now(), hasCome: true, pending: message.pending });
        this.#sink(message);
      },
    });
    return consumer && { ...key, consumer, since: now(), activity };
  }

  /** One that is empty is opened again when a message is noticed there, or when the queues are listed. */
  #endTimeSlice(open: OpenQueue): void {
    this.#open.close(open.queue);
    if (this.#held.has(open.queue)) return;
    if (!open.activity.hasCome) this.#awaitLonger(open);
    else if (open.activity.pending > 0) this.#await(open.queue);
  }

  async #list(): Promise<void> {
    const { queues, now, log } = this.#options;
    const begun = now();
    try {
      const listed = await queues.list();
      if (listed !== null) this.#take(listed, begun);
      this.#listAt = now() + ((listed?.size ?? 0) < MANY ? LIST_EVERY_MS.few : LIST_EVERY_MS.many);
    } catch (error) {
      log.error({ kind: 'ordered', error: errorMessage(error), hint: READ_AGAIN }, 'queue.list_failed');
      this.#listAt = now() + LIST_EVERY_MS.many;
    } finally {
      this.#listing = null;
    }
  }

  #take(listed: ReadonlyMap<string, number>, begun: number): void {
    this.#listed = listed;
    for (const { queue, knownAt } of this.#waiting.values())
      if (!listed.has(queue) && knownAt < begun) this.#waiting.delete(queue);
    const queues = [...listed.keys()];
    for (let index = 0; index < queues.length; index++) {
      const queue = queues[(this.#turn + index) % queues.length]!;
      if (!this.#isTaken(queue) && !this.#waiting.has(queue)) this.#await(queue);
    }
    this.#turn += MANY;
  }
}
