import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Admission } from '../admission/admission.ts';
import { isUnhealthy, type QueueConsumer, type TrackedEndpoint } from '../admission/tracked-endpoint.ts';
import { QueuePool, type QueueSink, READ_AGAIN } from '../queue-pool.ts';
import type { ParkedSlotShare } from './parked-share.ts';

/** The queues of all endpoints, as NATS keeps them. */
export interface ParkedQueues<M> {
  /** Messages by endpoint key: the only source of who has any. Null where that cannot be known now. */
  list(): Promise<ReadonlyMap<string, number> | null>;
  /** Pulls from the queue of an endpoint. Null where that is not possible now. */
  open(endpointKey: string, owner: QueueSink<M>): Promise<QueueConsumer | null>;
}

export type ParkedQueueReaderOptions<M> = {
  readonly admission: Admission;
  readonly queues: ParkedQueues<M>;
  /** Queues that are drained at once. MAX_OPEN_QUEUES. */
  readonly maxOpenQueues: number;
  readonly share: ParkedSlotShare;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** How often it is looked which queues have room, in milliseconds. */
const CHECK_EVERY_MS = 50;
/**
 * How many drains are opened each time: to make a consumer is among the dearest things that nats-server is asked for, and where
 * thousands of endpoints are down, thousands of probes are due.
 */
const OPENED_AT_ONCE = { probes: 2, others: 8 };
/** How often the queues are listed, in milliseconds; with many of them, the second. */
const LIST_EVERY_MS = { few: 5000, many: 15_000 };
const MANY = 1000;
/** A drain whose queue hands out nothing is ended after this long, or, while others wait for their turn, after this long. */
const IDLE_MS = { max: 20_000, crowded: 1000 };
/** While others wait, a drain has its turn for this long, in milliseconds. */
const TIME_SLICE_MS = 10_000;
/** Fewer parked messages of an endpoint that answers do not send its new ones behind them, when a peer parked them. */
const SMALL_BACKLOG = 100;

type OpenQueue = {
  readonly endpoint: TrackedEndpoint;
  readonly consumer: QueueConsumer;
  readonly since: number;
  /** When a message came last. */
  readonly activity: { at: number };
};

/**
 * Takes parked messages out of their endpoints' queues as their rooms allow: those that this worker parked at
 * once, those of its peers and of workers before it when the queues are listed.
 */
export class ParkedQueueReader<M extends { readonly pending: number }> {
  readonly #options: ParkedQueueReaderOptions<M>;
  readonly #open = new QueuePool<OpenQueue>();
  /** Keys whose queue is known to hold something; the first has waited longest for its turn. */
  readonly #waiting = new Map<string, TrackedEndpoint>();
  #sink: (message: M) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #listing: Promise<void> | null = null;
  #listAt = 0;
  /** Where the next turn begins in a list that is too long. */
  #turn = 0;
  #stopped = false;

  constructor(options: ParkedQueueReaderOptions<M>) {
    this.#options = options;
  }

  /** Begins to read; every message goes to the sink. */
  start(sink: (message: M) => void): void {
    this.#sink = sink;
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
    this.#check();
  }

  /** A message was parked here. */
  onParked(endpointKey: string): void {
    const endpoint = this.#options.admission.endpointFor(endpointKey);
    endpoint.parked = (endpoint.parked ?? 0) + 1;
    endpoint.parkedAt = this.#options.now();
    if (this.#open.get(endpointKey) === undefined) this.#waiting.set(endpointKey, endpoint);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
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
    // Between two probes nothing is pulled.
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
    // Parked while it was being opened: this drain has it, too.
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
        // The last one: those that come from now on need not go behind it.
        if (pending === 0 && !isUnhealthy(endpoint, now())) endpoint.hasBacklog = false;
        this.#sink(message);
      },
    });
    return consumer && { endpoint, consumer, since: now(), activity };
  }

  /** Its queue is looked at again when it is listed, or when something is parked there; or at once, where more is known to wait. */
  #closeQueue({ endpoint }: OpenQueue): void {
    this.#options.share.remove(endpoint);
    endpoint.consumer = null;
    if (!this.#stopped && !endpoint.isEvicted && (endpoint.parked ?? 0) > 0)
      this.#waiting.set(endpoint.key, endpoint);
    this.#open.close(endpoint.key);
  }

  async #list(): Promise<void> {
    const { queues, now } = this.#options;
    const begun = now();
    try {
      const listed = await queues.list();
      if (listed !== null) this.#take(listed, begun);
      this.#listAt = now() + ((listed?.size ?? 0) < MANY ? LIST_EVERY_MS.few : LIST_EVERY_MS.many);
    } catch (error) {
      const about = { kind: 'parked', error: errorMessage(error), hint: READ_AGAIN };
      this.#options.log.error(about, 'queue.list_failed');
      this.#listAt = now() + LIST_EVERY_MS.many;
    } finally {
      this.#listing = null;
    }
  }

  /** All of them; where they are more than the endpoints that are remembered, half as many as those, and others the next time. */
  #nextPart(listed: ReadonlyMap<string, number>): Iterable<[string, number]> {
    const { maxEndpoints } = this.#options.admission;
    if (listed.size <= maxEndpoints) return listed;
    const atOnce = Math.floor(maxEndpoints / 2);
    const from = this.#turn % listed.size;
    this.#turn = from + atOnce;
    const entries = [...listed];
    return [...entries.slice(from), ...entries.slice(0, from)].slice(0, atOnce);
  }

  #take(listed: ReadonlyMap<string, number>, begun: number): void {
    const { admission } = this.#options;
    for (const [key, count] of this.#nextPart(listed)) {
      const endpoint = admission.endpointFor(key);
      const isNews = endpoint.parked === null || endpoint.parked === 0;
      endpoint.parked = count;
      if (count >= SMALL_BACKLOG) endpoint.hasBacklog = true;
      // What waits there may wait for a good reason: one of them is to find out.
      if (isNews && endpoint.limiter.responsiveness === 'untested' && endpoint.limiter.inFlight === 0)
        endpoint.limiter.breaker.halfOpen(begun);
      if (!this.#open.has(key)) this.#waiting.set(key, endpoint);
    }
    for (const endpoint of admission.endpoints()) {
      if (listed.has(endpoint.key) || endpoint.parkedAt >= begun) continue;
      endpoint.parked = 0;
      endpoint.hasBacklog = false;
      this.#waiting.delete(endpoint.key);
    }
    // They come again with a list.
    for (const [key, endpoint] of this.#waiting) if (endpoint.isEvicted) this.#waiting.delete(key);
  }
}
