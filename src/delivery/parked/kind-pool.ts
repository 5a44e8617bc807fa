import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { QueueConsumer } from '../admission/tracked-endpoint.ts';
import { QueuePool, type QueueSink, READ_AGAIN } from '../queue-pool.ts';
import type { QueueKind } from './queue-kind.ts';

export type KindPoolOptions<M> = {
  /** Pulls from a queue. Null if the queue cannot be opened now. */
  open(key: string, sink: QueueSink<M>): Promise<QueueConsumer | null>;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

type Queue = { readonly key: string };
/** `notBefore`: earliest time to open, on the clock of the options. */
type Waiting = { readonly queue: Queue; readonly notBefore: number };
type Open = {
  readonly queue: Queue;
  readonly consumer: QueueConsumer;
  readonly since: number;
  /** `at`: when the last message came. */
  readonly activity: { at: number };
};

/** The queues of one kind that hold messages. Opens and closes them as the policy of the kind says. */
export class KindPool<M> {
  readonly #kind: QueueKind<M>;
  readonly #options: KindPoolOptions<M>;
  readonly #open = new QueuePool<Open>();
  /** Queues that hold messages and are not open. The first queue has waited longest. */
  readonly #waiting = new Map<string, Waiting>();
  #sink: (message: M) => void = () => {};
  #stopTimer = () => {};
  #stopped = false;

  constructor(kind: QueueKind<M>, options: KindPoolOptions<M>) {
    this.#kind = kind;
    this.#options = options;
  }

  get policy(): QueueKind<M>['policy'] {
    return this.#kind.policy;
  }

  /** Starts to read. Every message goes to the sink. */
  start(sink: (message: M) => void): void {
    this.#sink = sink;
    this.#stopTimer = every(this.policy.checkEveryMs, () => this.#check());
    this.#check();
  }

  /** Called when this worker has parked a message in a queue of this kind. */
  onParked(key: string): void {
    const queue = this.#kind.onParked(key);
    const open = this.#open.get(key);
    if (open === undefined) this.#await(queue);
    else if (this.policy.isParkingActivity) open.activity.at = this.#options.now();
  }

  /** Takes the queues of this kind out of a list. */
  onListed(listed: ReadonlyMap<string, number>, startedAt: number): void {
    for (const queue of this.#kind.onListed(listed, startedAt))
      if (!this.#open.has(queue.key)) this.#await(queue);
    for (const [key, { queue }] of this.#waiting)
      if (!this.#kind.isTracked(queue) || this.#kind.isEmpty(queue, listed, startedAt))
        this.#waiting.delete(key);
  }

  /** Opens and closes nothing more. Messages that are on their way still arrive. */
  stop(): void {
    this.#stopped = true;
    this.#stopTimer();
    for (const open of this.#open.values()) this.#closeQueue(open);
  }

  /** Resolves when the consumers of all closed queues have stopped. */
  closed(): Promise<void> {
    return this.#open.closed();
  }

  /** A queue keeps its place and its delay if it waits already. */
  #await(queue: Queue): void {
    const { notBefore } = this.#waiting.get(queue.key) ?? { notBefore: Number.NEGATIVE_INFINITY };
    this.#waiting.set(queue.key, { queue, notBefore });
  }

  #check(): void {
    const now = this.#options.now();
    const { policy } = this;
    const isCrowded = this.#waiting.size > 0 && this.#open.size >= policy.maxOpen;
    for (const open of this.#open.values()) {
      if (this.#isOver(open, now, isCrowded)) this.#closeQueue(open);
      else open.consumer.pullMore();
    }
    const room = policy.maxOpen - this.#open.size;
    if (room <= 0) return;
    for (const { queue } of policy.next(this.#candidates(now), room)) {
      this.#waiting.delete(queue.key);
      void this.#openQueue(queue);
    }
  }

  *#candidates(now: number) {
    for (const [key, { queue, notBefore }] of this.#waiting)
      if (notBefore <= now && this.#kind.isTracked(queue) && !this.#open.has(key))
        yield { queue, facts: this.#kind.facts(queue), retryDueForMs: now - notBefore };
  }

  #isOver({ queue, consumer, since, activity }: Open, now: number, isCrowded: boolean): boolean {
    const facts = this.#kind.facts(queue);
    const outstanding = consumer.outstanding();
    return this.policy.isOver(
      { facts, idleMs: now - activity.at, openMs: now - since, outstanding },
      isCrowded,
    );
  }

  async #openQueue(queue: Queue): Promise<void> {
    const { policy } = this;
    const { key } = queue;
    const open = await this.#open
      .open(key, () => this.#pull(queue))
      .catch((error) => {
        const about = { kind: policy.kind, queue: key, error: errorMessage(error), hint: READ_AGAIN };
        this.#options.log.error(about, 'queue.open_failed');
        return null;
      });
    if (open === null) {
      if (policy.retryMs !== null)
        this.#waiting.set(key, { queue, notBefore: this.#options.now() + policy.retryMs });
      return;
    }
    // If this worker parked a message meanwhile, the open queue delivers that message, too.
    this.#waiting.delete(key);
    this.#kind.onOpened(queue, open.consumer);
    if (this.#stopped || !this.#kind.isTracked(queue)) this.#closeQueue(open);
  }

  async #pull(queue: Queue): Promise<Open | null> {
    const { open, now } = this.#options;
    const activity = { at: now() };
    const consumer = await open(queue.key, {
      capacity: () => (this.#stopped ? 0 : this.policy.credits(this.#kind.available(queue), this.#open.size)),
      onMessage: (message) => {
        activity.at = now();
        this.#kind.onMessage(queue, message);
        this.#sink(message);
      },
    });
    return consumer && { queue, consumer, since: now(), activity };
  }

  #closeQueue({ queue }: Open): void {
    this.#kind.onClosed(queue);
    if (!this.#stopped && this.#kind.isTracked(queue) && this.policy.opensAgain(this.#kind.facts(queue)))
      this.#await(queue);
    this.#open.close(queue.key);
  }
}
