import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Admission } from '../admission/admission.ts';
import { isUnhealthy, type QueueConsumer, type TrackedEndpoint } from '../admission/tracked-endpoint.ts';
import { QueuePool, type QueueSink, READ_AGAIN } from '../queue-pool.ts';
import type { ParkedSlotShare } from './parked-share.ts';

/** The parked queues of all endpoints in NATS. */
export interface ParkedQueues<M> {
  /**
   * Number of messages by endpoint key. This list is the only source of which endpoints have parked messages. Null if NATS
   * cannot tell now.
   */
  list(): Promise<ReadonlyMap<string, number> | null>;
  /** Pulls from the parked queue of an endpoint. Null if the queue cannot be opened now. */
  open(endpointKey: string, owner: QueueSink<M>): Promise<QueueConsumer | null>;
}

export type ParkedQueueReaderOptions<M> = {
  readonly admission: Admission;
  readonly queues: ParkedQueues<M>;
  /** The most queues that are open at once. MAX_OPEN_QUEUES. */
  readonly maxOpenQueues: number;
  readonly share: ParkedSlotShare;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** Interval of the check for queues to open or close, in milliseconds. */
const CHECK_EVERY_MS = 50;
/**
 * The most queues that are opened per check. Few, because a new consumer is one of the most expensive requests to nats-server.
 * Fewer still for probes, because thousands of probes are due when thousands of endpoints are down.
 */
const OPENED_AT_ONCE = { probes: 2, others: 8 };
/** Interval between two lists of the queues, in milliseconds: `few` below MANY queues, `many` from MANY queues on. */
const LIST_EVERY_MS = { few: 5000, many: 15_000 };
const MANY = 1000;
/** A queue that delivers nothing is closed after `max`, or after `crowded` while others wait to be opened, in milliseconds. */
const IDLE_MS = { max: 20_000, crowded: 1000 };
/** How long a queue stays open while other queues wait to be opened, in milliseconds. Without others, it stays open longer. */
const TIME_SLICE_MS = 10_000;
/**
 * From this many listed messages on, new messages of the endpoint queue behind the parked ones. Below it, new messages do not, if
 * another worker parked the messages and the endpoint answers.
 */
const SMALL_BACKLOG = 100;

type OpenQueue = {
  readonly endpoint: TrackedEndpoint;
  readonly consumer: QueueConsumer;
  readonly since: number;
  /** `at`: when the last message came. */
  readonly activity: { at: number };
};

/**
 * Takes messages from the parked queues as the endpoint limiters allow: at once if this worker parked them, at the next list if
 * another or an earlier worker did.
 */
export class ParkedQueueReader<M extends { readonly pending: number }> {
  readonly #options: ParkedQueueReaderOptions<M>;
  readonly #open = new QueuePool<OpenQueue>();
  /** Endpoints with parked messages and no open queue. The first endpoint has waited longest. */
  readonly #waiting = new Map<string, TrackedEndpoint>();
  #sink: (message: M) => void = () => {};
  #stopTimer = () => {};
  #listing: Promise<void> | null = null;
  #listAt = 0;
  /** Index at which the next part starts, if a list is longer than `maxEndpoints`. */
  #listIndex = 0;
  #stopped = false;

  constructor(options: ParkedQueueReaderOptions<M>) {
    this.#options = options;
  }

  /** Starts to read. Every message goes to the sink. */
  start(sink: (message: M) => void): void {
    this.#sink = sink;
    this.#stopTimer = every(CHECK_EVERY_MS, () => this.#check());
    this.#check();
  }

  /** Called when this worker has parked a message. */
  onParked(endpointKey: string): void {
    const endpoint = this.#options.admission.endpointFor(endpointKey);
    endpoint.parked = (endpoint.parked ?? 0) + 1;
    endpoint.parkedAt = this.#options.now();
    if (this.#open.get(endpointKey) === undefined) this.#waiting.set(endpointKey, endpoint);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTimer();
    for (const open of this.#open.values()) this.#closeQueue(open);
    await this.#listing;
    await this.#open.closed();
  }

  #check(): void {
    const now = this.#options.now();
    if (now >= this.#listAt) this.#listing ??= this.#list();
    const isCrowded = this.#waiting.size > 0 && this.#isFull();
    for (const open of this.#open.values()) {
      if (this.#isOver(open, now, isCrowded)) this.#closeQueue(open);
      else open.consumer.pullMore();
    }
    const left = { probes: OPENED_AT_ONCE.probes, others: OPENED_AT_ONCE.others };
    for (const [key, endpoint] of this.#waiting) {
      if (this.#isFull()) break;
      if (endpoint.isEvicted || this.#open.has(key) || this.#options.admission.capacityFor(endpoint) === 0)
        continue;
      const kind = isUnhealthy(endpoint, now) ? 'probes' : 'others';
      if (left[kind]-- <= 0) continue;
      this.#waiting.delete(key);
      void this.#openQueue(endpoint);
    }
  }

  #isFull(): boolean {
    return this.#open.size >= this.#options.maxOpenQueues;
  }

  #isOver({ endpoint, consumer, since, activity }: OpenQueue, now: number, isCrowded: boolean): boolean {
    // Between two probes of an unhealthy endpoint, nothing is pulled.
    if (
      isUnhealthy(endpoint, now) &&
      consumer.outstanding() === 0 &&
      this.#options.admission.capacityFor(endpoint) === 0
    )
      return true;
    if (now - activity.at > (isCrowded ? IDLE_MS.crowded : IDLE_MS.max)) return true;
    return isCrowded && now - since > TIME_SLICE_MS;
  }

  async #openQueue(endpoint: TrackedEndpoint): Promise<void> {
    const open = await this.#open
      .open(endpoint.key, () => this.#pull(endpoint))
      .catch((error) => {
        const about = { kind: 'parked', queue: endpoint.key, error: errorMessage(error), hint: READ_AGAIN };
        this.#options.log.error(about, 'queue.open_failed');
        return null;
      });
    if (open === null) return;
    // If this worker parked a message meanwhile, the open queue delivers that message, too.
    this.#waiting.delete(endpoint.key);
    this.#options.share.add(endpoint);
    endpoint.consumer = open.consumer;
    if (this.#stopped || endpoint.isEvicted) this.#closeQueue(open);
  }

  async #pull(endpoint: TrackedEndpoint): Promise<OpenQueue | null> {
    const { queues, share, now } = this.#options;
    const activity = { at: now() };
    const consumer = await queues.open(endpoint.key, {
      capacity: () => (this.#stopped ? 0 : share.quotaFor(endpoint)),
      onMessage: (message) => {
        const { pending } = message;
        activity.at = now();
        endpoint.parked = pending;
        // This is the last parked message: new messages need not queue behind it.
        if (pending === 0 && !isUnhealthy(endpoint, now())) endpoint.hasBacklog = false;
        this.#sink(message);
      },
    });
    return consumer && { endpoint, consumer, since: now(), activity };
  }

  /**
   * Closes a queue. It opens again at the next list, when a message is parked, or as soon as possible if the queue holds more
   * messages.
   */
  #closeQueue({ endpoint }: OpenQueue): void {
    this.#options.share.remove(endpoint);
    endpoint.consumer = null;
    if (!this.#stopped && !endpoint.isEvicted && (endpoint.parked ?? 0) > 0)
      this.#waiting.set(endpoint.key, endpoint);
    this.#open.close(endpoint.key);
  }

  async #list(): Promise<void> {
    const { queues, now } = this.#options;
    const startedAt = now();
    try {
      const listed = await queues.list();
      if (listed !== null) this.#take(listed, startedAt);
      this.#listAt = now() + ((listed?.size ?? 0) < MANY ? LIST_EVERY_MS.few : LIST_EVERY_MS.many);
    } catch (error) {
      const about = { kind: 'parked', error: errorMessage(error), hint: READ_AGAIN };
      this.#options.log.error(about, 'queue.list_failed');
      this.#listAt = now() + LIST_EVERY_MS.many;
    } finally {
      this.#listing = null;
    }
  }

  /**
   * Returns the whole list, up to `maxEndpoints` queues. Of a longer list, returns half of `maxEndpoints`, and the next part
   * the next time.
   */
  #nextPart(listed: ReadonlyMap<string, number>): Iterable<[string, number]> {
    const { maxEndpoints } = this.#options.admission;
    if (listed.size <= maxEndpoints) return listed;
    const atOnce = Math.floor(maxEndpoints / 2);
    const from = this.#listIndex % listed.size;
    this.#listIndex = from + atOnce;
    const entries = [...listed];
    return [...entries.slice(from), ...entries.slice(0, from)].slice(0, atOnce);
  }

  #take(listed: ReadonlyMap<string, number>, startedAt: number): void {
    const { admission } = this.#options;
    for (const [key, count] of this.#nextPart(listed)) {
      const endpoint = admission.endpointFor(key);
      const wasEmpty = endpoint.parked === null || endpoint.parked === 0;
      endpoint.parked = count;
      if (count >= SMALL_BACKLOG) endpoint.hasBacklog = true;
      // Messages may be parked because the endpoint is down. So one message goes first, as a probe.
      if (wasEmpty && endpoint.limiter.responsiveness === 'untested' && endpoint.limiter.inFlight === 0)
        endpoint.limiter.breaker.halfOpen(startedAt);
      if (!this.#open.has(key)) this.#waiting.set(key, endpoint);
    }
    for (const endpoint of admission.endpoints()) {
      if (listed.has(endpoint.key) || endpoint.parkedAt >= startedAt) continue;
      endpoint.parked = 0;
      endpoint.hasBacklog = false;
      this.#waiting.delete(endpoint.key);
    }
    // Evicted endpoints come back with the next list.
    for (const [key, endpoint] of this.#waiting) if (endpoint.isEvicted) this.#waiting.delete(key);
  }
}
