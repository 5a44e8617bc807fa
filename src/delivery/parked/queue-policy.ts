/** A queue that holds messages and is not open. `facts`: what the policy of its kind looks at. */
export type WaitingQueue<F> = {
  readonly facts: F;
  /** Time since the queue may be opened again after it could not be opened, in milliseconds; infinity: it was never refused. */
  readonly retryDueForMs: number;
};

export type OpenQueue<F> = {
  readonly facts: F;
  /** Time since the last message came, in milliseconds. */
  readonly idleMs: number;
  /** Time since the queue was opened, in milliseconds. */
  readonly openMs: number;
  /** Messages that were asked for and are about to come. */
  readonly outstanding: number;
};

/**
 * What differs between the kinds of queues that share one reader. Pure: decides, without effects and without a clock. A further
 * kind is a further policy, of the keys that it owns.
 */
export type QueuePolicy<F> = {
  /** The name of the kind in the log. */
  readonly kind: string;
  /** Interval of the check for queues to open or close, in milliseconds. */
  readonly checkEveryMs: number;
  /** The most queues of this kind that are open at once. */
  readonly maxOpen: number;
  /** Delay before a queue that could not be opened is opened again, in milliseconds; null: the queue waits for the next list. */
  readonly retryMs: number | null;
  /** True if a message that this worker parks counts as activity of an open queue, as a message that comes does. */
  readonly isParkingActivity: boolean;
  /** True if the queue with this key is of this kind. */
  owns(key: string): boolean;
  /**
   * Time until the queues are listed again, in milliseconds. The longest time of all kinds counts.
   *
   * @param count Queues of this kind in the last list.
   * @param isActive This worker has sent messages lately.
   */
  listEveryMs(count: number, isActive: boolean): number;
  /**
   * Picks the queues to open now, in order.
   *
   * @param waiting The queue that has waited longest comes first. Read only as far as needed: there may be thousands.
   * @param room How many more queues may be opened, above 0.
   */
  next<W extends WaitingQueue<F>>(waiting: Iterable<W>, room: number): readonly W[];
  /** True if the queue is closed now. @param isCrowded All places are taken, and other queues wait. */
  isOver(open: OpenQueue<F>, isCrowded: boolean): boolean;
  /** True if a queue that was closed waits to be opened again. If false, it waits for the next list or the next parked message. */
  opensAgain(facts: F): boolean;
  /**
   * How many messages may come from one queue now.
   *
   * @param available How many the slots allow.
   * @param open How many queues of this kind are open.
   */
  credits(available: number, open: number): number;
};
