import type { Disposition } from '../../core/retry/disposition.ts';
import type { Admission } from '../admission/admission.ts';
import type { MemoryBudget } from '../memory-budget.ts';
import type { Message } from '../message.ts';
import type { SettlementEffects } from '../settler.ts';
import type { OrderedQueueReader } from './ordered-reader.ts';
import { isOrderedTimeSlice, ORDERED_SHARE } from './ordered-share.ts';

/** A message of which one at a time of its queue is here. */
export interface OrderedMessage extends Pick<Message, 'orderingKey' | 'sequence'> {
  /** Its place in the stream, and when it was stored there, in milliseconds since 1970: both together are its alone. */
  readonly sequence: number;
  readonly publishedAt: number;
  /** What is to be handed out after it. */
  readonly pending: number;
  /** Bytes of its headers and data. */
  readonly size: number;
}

export type OrderedDispatcherOptions<M extends OrderedMessage> = {
  /** CONCURRENCY. */
  readonly slots: number;
  /** Slots without a message, and without one that is about to come. */
  free(): number;
  readonly admission: Pick<Admission, 'endpointFor' | 'capacityFor'>;
  /** Shared with the deferred messages. DEFERRED_BYTES. */
  readonly budget: MemoryBudget;
  /** Hears of messages that wait here, and of those that are settled. */
  readonly reader: Pick<OrderedQueueReader<M>, 'onBlocked' | 'onSettled'>;
  readonly effects: Pick<SettlementEffects<M>, 'ack' | 'nak'>;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** How often it is looked which endpoints have room again, in milliseconds. */
const CHECK_EVERY_MS = 50;

/** Wait before an endpoint is tried again whose message came back without having been sent, in milliseconds; doubled each time. */
const WAIT_MS = { first: 50, max: 2000 };

/** Messages that wait for room at one endpoint; the first has waited longest. */
type WaitList<M> = {
  readonly endpointKey: string;
  readonly messages: Set<M>;
  /** Taken up, and not yet at the door of their endpoint. */
  readonly admitted: Set<M>;
  notBefore: number;
  waitMs: number;
};

/**
 * The ordered messages that are here, one of each queue: in a slot, waiting for one, or for room at their endpoint. Those that wait
 * for room keep no slot, and are taken up again as there is room, whether that is in a moment or after days.
 */
export class OrderedDispatcher<M extends OrderedMessage> {
  readonly #options: OrderedDispatcherOptions<M>;
  /** By queue: the first is on its journey; those behind it should not be out yet, and wait until it is over. */
  readonly #held = new Map<string, M[]>();
  /** They wait for a slot. */
  readonly #due = new Set<M>();
  readonly #waitLists = new Map<string, WaitList<M>>();
  /** The bench that each of those is on, or was. */
  readonly #waitListOf = new WeakMap<M, WaitList<M>>();
  readonly #dispositions = new WeakMap<M, Disposition>();
  #sink: (message: M) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #waiting = 0;
  /** In a slot. */
  #busy = 0;

  constructor(options: OrderedDispatcherOptions<M>) {
    this.#options = options;
  }

  /** How many wait for room at their endpoints. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @param sink Takes a message into a slot. `onFinished` is to be called when its journey is over. */
  start(sink: (message: M) => void): void {
    this.#sink = sink;
  }

  /** How many of the free slots are to be left to those that have room. */
  reservedSlots(): number {
    return Math.min(this.#due.size, this.#left());
  }

  /** A queue handed it out. */
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

  /** It is at the door of its endpoint. @returns whether it is to go behind others that wait for room there. */
  mustWaitBehind(message: M, endpointKey: string): boolean {
    const waitList = this.#waitLists.get(endpointKey);
    const wasCalled = this.#waitListOf.get(message)?.admitted.delete(message) ?? false;
    return waitList !== undefined && waitList.messages.size > 0 && !wasCalled;
  }

  /** Keeps a message that its endpoint has no room for. @returns False where there is no place for it. */
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
      waitList.notBefore = this.#options.now() + waitList.waitMs;
      waitList.waitMs = Math.min(WAIT_MS.max, 2 * waitList.waitMs);
    }
    waitList.messages.add(message);
    this.#waitListOf.set(message, waitList);
    this.#count(message, 1);
    this.#timer ??= setInterval(() => this.#check(), CHECK_EVERY_MS);
    this.#options.reader.onBlocked(message.orderingKey!);
    return true;
  }

  /** What was done with it, in its slot. */
  onSettled(message: M, disposition: Disposition): void {
    this.#dispositions.set(message, disposition);
  }

  /** Its slot is about to be free. */
  onFinished(message: M): void {
    this.#busy--;
    const waitList = this.#waitListOf.get(message);
    if (waitList?.messages.has(message)) return;
    waitList?.admitted.delete(message);
    // One of them got through: there may be room for more.
    if (waitList !== undefined) {
      Object.assign(waitList, { notBefore: 0, waitMs: WAIT_MS.first });
      this.#admitFrom(waitList);
    }
    const disposition = this.#dispositions.get(message);
    this.#startNext(message, disposition);
    const delayMs = disposition !== undefined && 'delayMs' in disposition ? disposition.delayMs : 0;
    this.#options.reader.onSettled(message.orderingKey!, message.pending, delayMs);
  }

  /** One may be free by now. */
  onSlotFreed(): void {
    for (const message of this.#due) {
      if (Math.min(this.#left(), this.#options.free()) <= 0) break;
      this.#due.delete(message);
      this.#busy++;
      this.#sink(message);
    }
    if (this.#due.size > 0) this.#timer ??= setInterval(() => this.#check(), CHECK_EVERY_MS);
  }

  /** Hands back all that are not in a slot, and those that come from now on. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
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
    if (this.#waitLists.size + this.#due.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Those that there may be room for by now. */
  #admitFrom(waitList: WaitList<M>): void {
    if (waitList.notBefore > this.#options.now()) return;
    const space = this.#capacityFor(waitList.endpointKey);
    for (const message of waitList.messages) {
      if (waitList.admitted.size >= space) return;
      waitList.messages.delete(message);
      waitList.admitted.add(message);
      this.#count(message, -1);
      this.#due.add(message);
    }
  }

  /** Where others wait for the endpoint, too, ordered messages have it for their time slice only. */
  #capacityFor(endpointKey: string): number {
    const { admission, now } = this.#options;
    const endpoint = admission.endpointFor(endpointKey);
    return endpoint.hasBacklog && !isOrderedTimeSlice(now()) ? 0 : admission.capacityFor(endpoint);
  }

  #left(): number {
    const { slots, now } = this.#options;
    const most = slots > 1 ? Math.floor(ORDERED_SHARE * slots) : Number(isOrderedTimeSlice(now()));
    return most - this.#busy;
  }

  #count(message: M, sign: 1 | -1): void {
    this.#waiting += sign;
    if (sign > 0) this.#options.budget.take(message);
    else this.#options.budget.giveBack(message);
  }

  /** Where the same message came once more, its end is that of the first. */
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
