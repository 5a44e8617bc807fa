import type { Disposition } from '../../core/retry/disposition.ts';
import type { Clock } from '../../runtime/clock.ts';
import { LazyTimer } from '../../runtime/lazy-timer.ts';
import type { Admission } from '../admission/admission.ts';
import type { MemoryBudget } from '../memory-budget.ts';
import type { Message } from '../message.ts';
import type { SettlementEffects } from '../settler.ts';
import type { OrderedQueueReader } from './ordered-reader.ts';
import { isOrderedTimeSlice, ORDERED_SHARE } from './ordered-share.ts';

/** A message with an ordering key. NATS delivers one message per ordering key at a time. */
export interface OrderedMessage extends Pick<Message, 'orderingKey' | 'sequence' | 'deliverySequence'> {
  /** Sequence in the stream, and the time of publishing in milliseconds since 1970. Together they identify the message. */
  readonly sequence: number;
  readonly publishedAt: number;
  /** Messages of the queue that NATS delivers after this one. */
  readonly pending: number;
  /** Bytes of its headers and data. */
  readonly size: number;
}

export type OrderedDispatcherOptions<M extends OrderedMessage> = {
  /** CONCURRENCY. */
  readonly slots: number;
  /** Slots without a message and without a message that is about to come. */
  free(): number;
  readonly admission: Pick<Admission, 'endpointFor' | 'capacityFor'>;
  /** Shared with the deferred messages. DEFERRED_BYTES. */
  readonly budget: MemoryBudget;
  /** Notified of messages that wait here, and of settled messages. */
  readonly reader: Pick<OrderedQueueReader<M>, 'onBlocked' | 'onSettled'>;
  readonly effects: Pick<SettlementEffects<M>, 'ack' | 'nak'>;
  readonly clock: Clock;
};

/** Interval of the check for endpoints that have capacity again, in milliseconds. */
const CHECK_EVERY_MS = 50;

/**
 * How long the messages of an endpoint wait after one of them came back unsent, in milliseconds. Doubled each time. Below 50 ms,
 * messages would take and leave slots without effect. Above 2 s, free capacity would stay unused for too long.
 */
const WAIT_MS = { first: 50, max: 2000 };

/** Messages that wait for capacity at one endpoint. The first message has waited longest. */
type WaitList<M> = {
  readonly endpointKey: string;
  readonly messages: Set<M>;
  /** Messages that left the list for a slot, and have not yet reached the admission of their endpoint. */
  readonly admitted: Set<M>;
  notBefore: number;
  waitMs: number;
};

/**
 * Ordered messages that this worker holds, one per ordering key: in a slot, waiting for a slot, or waiting for capacity at the
 * endpoint. A message that waits for capacity holds no slot, and its wait has no time limit.
 */
export class OrderedDispatcher<M extends OrderedMessage> {
  readonly #options: OrderedDispatcherOptions<M>;
  /** By ordering key. The first message is in progress. NATS delivered the others too early: they wait until it is over. */
  readonly #held = new Map<string, M[]>();
  /** Messages that wait for a slot. */
  readonly #due = new Set<M>();
  readonly #waitLists = new Map<string, WaitList<M>>();
  /** The wait list that a message is on, or was on last. */
  readonly #waitListOf = new WeakMap<M, WaitList<M>>();
  readonly #dispositions = new WeakMap<M, Disposition>();
  #sink: (message: M) => void = () => {};
  readonly #timer: LazyTimer;
  #stopped = false;
  #waiting = 0;
  /** Ordered messages in slots. */
  #busy = 0;

  constructor(options: OrderedDispatcherOptions<M>) {
    this.#options = options;
    this.#timer = new LazyTimer(CHECK_EVERY_MS, () => this.#check(), { clock: options.clock });
  }

  /** How many messages wait for capacity at their endpoints. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @param sink Takes a message into a slot. The caller calls `onFinished` when the message has left the slot. */
  start(sink: (message: M) => void): void {
    this.#sink = sink;
  }

  /** How many free slots the other sources must leave to ordered messages that wait for a slot. */
  reservedSlots(): number {
    return Math.min(this.#due.size, this.#slotsLeft());
  }

  /** Takes a message that an ordered queue delivered. */
  onMessage(message: M): void {
    if (this.#stopped) {
      this.#options.effects.nak(message, 0);
      return;
    }
    const before = this.#held.get(message.orderingKey!);
    if (before !== undefined) before.push(message);
    else {
      this.#held.set(message.orderingKey!, [message]);
      this.#due.add(message);
      this.onSlotFreed();
    }
  }

  /** Called before admission. @returns True if the message must wait behind others that wait for capacity at the endpoint. */
  mustWaitBehind(message: M, endpointKey: string): boolean {
    const waitList = this.#waitLists.get(endpointKey);
    const wasAdmitted = this.#waitListOf.get(message)?.admitted.delete(message) ?? false;
    return waitList !== undefined && waitList.messages.size > 0 && !wasAdmitted;
  }

  /** Holds a message whose endpoint has no capacity. @returns False if no memory is left for the message. */
  defer(message: M, endpointKey: string): boolean {
    if (this.#stopped) {
      this.#options.effects.nak(message, 0);
      return true;
    }
    if (!this.#options.budget.fits(message)) return false;
    const waitList = this.#waitLists.get(endpointKey) ?? newWaitList<M>(endpointKey);
    this.#waitLists.set(endpointKey, waitList);
    const before = this.#waitListOf.get(message);
    before?.admitted.delete(message);
    if (before === waitList) {
      waitList.notBefore = this.#options.clock.now() + waitList.waitMs;
      waitList.waitMs = Math.min(WAIT_MS.max, 2 * waitList.waitMs);
    }
    waitList.messages.add(message);
    this.#waitListOf.set(message, waitList);
    this.#count(message, 1);
    this.#timer.start();
    this.#options.reader.onBlocked(message.orderingKey!);
    return true;
  }

  /** Notes what was done with a message in its slot, for `onFinished`. */
  onSettled(message: M, disposition: Disposition): void {
    this.#dispositions.set(message, disposition);
  }

  /** Called when a message is about to leave its slot. */
  onFinished(message: M): void {
    this.#busy--;
    const waitList = this.#waitListOf.get(message);
    if (waitList?.messages.has(message)) return;
    waitList?.admitted.delete(message);
    // A message of the list was not sent back, so the endpoint may have capacity for more.
    if (waitList !== undefined && !this.#stopped) {
      Object.assign(waitList, { notBefore: 0, waitMs: WAIT_MS.first });
      this.#admitFrom(waitList);
    }
    const disposition = this.#dispositions.get(message);
    this.#startNext(message, disposition);
    const delayMs = disposition !== undefined && 'delayMs' in disposition ? disposition.delayMs : 0;
    this.#options.reader.onSettled(message.orderingKey!, message.pending, delayMs);
  }

  /** Called when a slot may be free. */
  onSlotFreed(): void {
    for (const message of this.#due) {
      if (Math.min(this.#slotsLeft(), this.#options.free()) <= 0) break;
      this.#due.delete(message);
      this.#busy++;
      this.#sink(message);
    }
    if (this.#due.size > 0 && !this.#stopped) this.#timer.start();
  }

  /** Naks every message that is not in a slot, and every message that comes later. */
  stop(): void {
    this.#stopped = true;
    this.#timer.stop();
    const blocked = [...this.#waitLists.values()].flatMap(({ messages }) => [...messages]);
    for (const message of blocked) this.#options.budget.giveBack(message);
    const behind = [...this.#held.values()].flatMap(([, ...others]) => others);
    for (const message of new Set([...this.#due, ...blocked, ...behind]))
      this.#options.effects.nak(message, 0);
    this.#due.clear();
    this.#waitLists.clear();
    this.#waiting = 0;
  }

  #check(): void {
    for (const [endpointKey, waitList] of this.#waitLists) {
      if (waitList.messages.size === 0) this.#waitLists.delete(endpointKey);
      else this.#admitFrom(waitList);
    }
    this.onSlotFreed();
    if (this.#waitLists.size + this.#due.size === 0) this.#timer.stop();
  }

  /** Moves messages from the list to the wait for a slot, as many as the endpoint has capacity for. */
  #admitFrom(waitList: WaitList<M>): void {
    if (waitList.notBefore > this.#options.clock.now()) return;
    const capacity = this.#capacityFor(waitList.endpointKey);
    for (const message of waitList.messages) {
      if (waitList.admitted.size >= capacity) return;
      waitList.messages.delete(message);
      waitList.admitted.add(message);
      this.#count(message, -1);
      this.#due.add(message);
    }
  }

  /** If parked messages wait for the endpoint too, ordered messages use its capacity in their time slice only. */
  #capacityFor(endpointKey: string): number {
    const { admission, clock } = this.#options;
    const endpoint = admission.endpointFor(endpointKey);
    return endpoint.hasBacklog && !isOrderedTimeSlice(clock.now()) ? 0 : admission.capacityFor(endpoint);
  }

  #slotsLeft(): number {
    const { slots, clock } = this.#options;
    const most = slots > 1 ? Math.floor(ORDERED_SHARE * slots) : Number(isOrderedTimeSlice(clock.now()));
    return most - this.#busy;
  }

  #count(message: M, sign: 1 | -1): void {
    this.#waiting += sign;
    if (sign > 0) this.#options.budget.take(message);
    else this.#options.budget.giveBack(message);
  }

  /** Starts the next message of the key. A second delivery of a message that is over is acked, and not sent again. */
  #startNext(message: M, disposition: Disposition | undefined): void {
    const queue = message.orderingKey!;
    const [, ...behind] = this.#held.get(queue) ?? [];
    const isOver = disposition?.kind === 'ack' || disposition?.kind === 'deadLetter';
    while (isOver && behind.length > 0 && isSame(message, behind[0]!))
      this.#options.effects.ack(behind.shift()!);
    if (behind.length === 0 || this.#stopped) this.#held.delete(queue);
    else {
      this.#held.set(queue, behind);
      this.#due.add(behind[0]!);
    }
  }
}

function newWaitList<M>(endpointKey: string): WaitList<M> {
  return { endpointKey, messages: new Set(), admitted: new Set(), notBefore: 0, waitMs: WAIT_MS.first };
}

function isSame(a: OrderedMessage, b: OrderedMessage): boolean {
  return a.sequence === b.sequence && a.publishedAt === b.publishedAt;
}
