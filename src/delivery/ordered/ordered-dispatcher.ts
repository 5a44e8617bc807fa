import type { Verdict } from '../../core/retry/verdict.ts';
import { memoryCost } from '../deferred-messages.ts';
import type { Message } from '../message.ts';
import { isTurnOfOrdered, ORDERED_SHARE } from './ordered-share.ts';

/** A message of which one at a time of its queue is here. */
export interface Ordered extends Pick<Message, 'queue' | 'sequence'> {
  /** Its place in the stream, and when it was stored there, in milliseconds since 1970: both together are its alone. */
  readonly sequence: number;
  readonly firstSeen: number;
  /** What is to be handed out after it. */
  readonly pending: number;
  /** Bytes of its headers and data. */
  readonly size: number;
}

export type OrderedMessagesOptions<M extends Ordered> = {
  /** CONCURRENCY. */
  readonly slots: number;
  /** Slots without a message, and without one that is about to come. */
  free(): number;
  /** How many more attempts an endpoint has room for. */
  spaceFor(endpointKey: string): number;
  /** Takes a message into a slot; `ended` is to be called when its journey is over. */
  begin(message: M): void;
  /** How much more may be kept in memory, in bytes. */
  leftBytes(): number;
  /** It waits for room at its endpoint. */
  benched(queue: string): void;
  /** It was settled, and is to come again after `delayMs`; 0: it is not, or at once. */
  settled(queue: string, pending: number, delayMs: number): void;
  /** Hands it back unsent, to be handed out again at once. */
  handBack(message: M): void;
  /** Acks what was settled already by an earlier hand-out. */
  ackAgain(message: M): void;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** How often it is looked which endpoints have room again, in milliseconds. */
const LOOK_EVERY_MS = 50;

/** Wait before an endpoint is tried again whose message came back without having been sent, in milliseconds; doubled each time. */
const WAIT_MS = { first: 50, most: 2000 };

/** Messages that wait for room at one endpoint; the first has waited longest. */
type Bench<M> = {
  readonly endpointKey: string;
  readonly messages: Set<M>;
  /** Taken up, and not yet at the door of their endpoint. */
  readonly called: Set<M>;
  notBefore: number;
  waitMs: number;
};

/**
 * The ordered messages that are here, one of each queue: in a slot, waiting for one, or for room at their endpoint. Those that wait
 * for room keep no slot, and are taken up again as there is room, whether that is in a moment or after days.
 */
export class OrderedMessages<M extends Ordered> {
  readonly #options: OrderedMessagesOptions<M>;
  /** By queue: the first is on its journey; those behind it should not be out yet, and wait until it is over. */
  readonly #here = new Map<string, M[]>();
  /** They wait for a slot. */
  readonly #due = new Set<M>();
  readonly #benches = new Map<string, Bench<M>>();
  /** The bench that each of those is on, or was. */
  readonly #benchOf = new WeakMap<M, Bench<M>>();
  readonly #done = new WeakMap<M, Verdict>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #bytes = 0;
  #waiting = 0;
  /** In a slot. */
  #busy = 0;

  constructor(options: OrderedMessagesOptions<M>) {
    this.#options = options;
  }

  /** How many wait for room at their endpoints. */
  get waiting(): number {
    return this.#waiting;
  }

  /** What those take in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many of the free slots are to be left to those that have room. */
  wish(): number {
    return Math.min(this.#due.size, this.#left());
  }

  /** A queue handed it out. */
  came(message: M): void {
    if (this.#stopped) {
      this.#options.handBack(message);
      return;
    }
    const before = this.#here.get(message.queue!);
    if (before !== undefined) before.push(message);
    else {
      this.#here.set(message.queue!, [message]);
      this.#due.add(message);
      this.slotFreed();
    }
  }

  /** It is at the door of its endpoint. @returns whether it is to go behind others that wait for room there. */
  isBehind(message: M, endpointKey: string): boolean {
    const bench = this.#benches.get(endpointKey);
    const wasCalled = this.#benchOf.get(message)?.called.delete(message) ?? false;
    return bench !== undefined && bench.messages.size > 0 && !wasCalled;
  }

  /** Keeps a message that its endpoint has no room for. @returns False where there is no place for it. */
  keep(message: M, endpointKey: string): boolean {
    if (this.#stopped) {
      this.#options.handBack(message);
      return true;
    }
    if (memoryCost(message) > this.#options.leftBytes()) return false;
    const bench = this.#benches.get(endpointKey) ?? newBench<M>(endpointKey);
    this.#benches.set(endpointKey, bench);
    const before = this.#benchOf.get(message);
    before?.called.delete(message);
    if (before === bench) {
      bench.notBefore = this.#options.now() + bench.waitMs;
      bench.waitMs = Math.min(WAIT_MS.most, 2 * bench.waitMs);
    }
    bench.messages.add(message);
    this.#benchOf.set(message, bench);
    this.#count(message, 1);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#options.benched(message.queue!);
    return true;
  }

  /** What was done with it, in its slot. */
  settled(message: M, done: Verdict): void {
    this.#done.set(message, done);
  }

  /** Its slot is about to be free. */
  ended(message: M): void {
    this.#busy--;
    const bench = this.#benchOf.get(message);
    if (bench?.messages.has(message)) return;
    bench?.called.delete(message);
    // One of them got through: there may be room for more.
    if (bench !== undefined) {
      Object.assign(bench, { notBefore: 0, waitMs: WAIT_MS.first });
      this.#call(bench);
    }
    const done = this.#done.get(message);
    this.#proceedBehind(message, done);
    const delayMs = done !== undefined && 'delayMs' in done ? done.delayMs : 0;
    this.#options.settled(message.queue!, message.pending, delayMs);
  }

  /** One may be free by now. */
  slotFreed(): void {
    for (const message of this.#due) {
      if (Math.min(this.#left(), this.#options.free()) <= 0) break;
      this.#due.delete(message);
      this.#busy++;
      this.#options.begin(message);
    }
    if (this.#due.size > 0) this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Hands back all that are not in a slot, and those that come from now on. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    const benched = [...this.#benches.values()].flatMap(({ messages }) => [...messages]);
    const behind = [...this.#here.values()].flatMap(([, ...others]) => others);
    for (const message of new Set([...this.#due, ...benched, ...behind])) this.#options.handBack(message);
    this.#due.clear();
    this.#benches.clear();
    this.#waiting = 0;
    this.#bytes = 0;
  }

  #look(): void {
    for (const [endpointKey, bench] of this.#benches) {
      if (bench.messages.size === 0) this.#benches.delete(endpointKey);
      else this.#call(bench);
    }
    this.slotFreed();
    if (this.#benches.size + this.#due.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Those that there may be room for by now. */
  #call(bench: Bench<M>): void {
    if (bench.notBefore > this.#options.now()) return;
    const space = this.#options.spaceFor(bench.endpointKey);
    for (const message of bench.messages) {
      if (bench.called.size >= space) return;
      bench.messages.delete(message);
      bench.called.add(message);
      this.#count(message, -1);
      this.#due.add(message);
    }
  }

  #left(): number {
    const { slots, now } = this.#options;
    const most = slots > 1 ? Math.floor(ORDERED_SHARE * slots) : Number(isTurnOfOrdered(now()));
    return most - this.#busy;
  }

  #count(message: M, sign: 1 | -1): void {
    this.#waiting += sign;
    this.#bytes += sign * memoryCost(message);
  }

  /** Where the same message came once more, its end is that of the first. */
  #proceedBehind(message: M, done: Verdict | undefined): void {
    const queue = message.queue!;
    const [, ...behind] = this.#here.get(queue) ?? [];
    const isOver = done?.kind === 'ack' || done?.kind === 'deadLetter';
    while (isOver && behind.length > 0 && isSame(message, behind[0]!))
      this.#options.ackAgain(behind.shift()!);
    if (behind.length === 0 || this.#stopped) this.#here.delete(queue);
    else {
      this.#here.set(queue, behind);
      this.#due.add(behind[0]!);
    }
  }
}

function newBench<M>(endpointKey: string): Bench<M> {
  return { endpointKey, messages: new Set(), called: new Set(), notBefore: 0, waitMs: WAIT_MS.first };
}

function isSame(a: Ordered, b: Ordered): boolean {
  return a.sequence === b.sequence && a.firstSeen === b.firstSeen;
}
