import { LruMap } from '../../core/lru-map.ts';
import { partsOfKey } from '../../core/request/target.ts';
import type { Message } from '../message.ts';
import type { OrderedMessage } from './ordered-dispatcher.ts';

/** What NATS says of the copies of ordered messages. The queue of a copy has the ordering key and the endpoint key in its name. */
export interface CopyQueues {
  /** The endpoint keys for which copies of messages with this ordering key wait. Null if this is unknown. */
  keysWithCopies(orderingKey: string): Promise<readonly string[] | null>;
}

type Ordered = Pick<
  Message & OrderedMessage,
  'orderingKey' | 'parkedEndpointKey' | 'deliverySequence' | 'receivedAt'
>;

/** How many ordering keys are remembered. Above it, NATS is asked more often. */
const KEYS = 10_000;
const LONGEST_KEY = 1000;
/**
 * How long it counts that no copies wait, in milliseconds. Of a queue of copies: until a new name of a row is seen. Of messages that
 * follow each other directly: far shorter than NATS keeps an unused durable, because a new durable counts its deliveries anew.
 */
const COUNTS_MS = { copies: 1000, following: 10_000 };

/**
 * Keeps ordered messages for a row behind the copies that wait for the same row. Copies arise while a message goes to several rows.
 * They may wait under an earlier name of the row: its key has the name in it.
 */
export class CopyOrder {
  readonly #queues: CopyQueues;
  readonly #isPresentKey: (endpointKey: string) => boolean;
  /** By ordering key: the last message before which no copies waited. */
  readonly #last = new LruMap<{ endpointKey: string; deliverySequence: number; at: number }>(
    KEYS,
    LONGEST_KEY,
  );
  /** By ordering key of a copy: when no copies waited under another name of its row. */
  readonly #alone = new LruMap<{ at: number }>(KEYS, LONGEST_KEY);

  /** @param isPresentKey True if a row has this key now. Then it is not an earlier name of another row, although it looks alike. */
  constructor(queues: CopyQueues, isPresentKey: (endpointKey: string) => boolean) {
    this.#queues = queues;
    this.#isPresentKey = isPresentKey;
  }

  /**
   * True if copies of earlier messages wait for the row, also if this is unknown. Only NATS knows all copies: another worker may have
   * stored them a moment ago. No copy of an earlier message comes later, because NATS delivers a message after the acks of the
   * earlier ones, and their copies are stored before these acks.
   *
   * @param endpointKey The present key of the row.
   */
  mustWait(message: Ordered, endpointKey: string): Promise<boolean> {
    return message.parkedEndpointKey === null
      ? this.#waitsBehindCopies(message, endpointKey)
      : this.#waitsBehindOtherName(message, endpointKey);
  }

  /** Called before a message is copied for several rows. */
  onFanOut({ orderingKey }: Ordered): void {
    this.#last.set(orderingKey!, { endpointKey: '', deliverySequence: 0, at: Number.NEGATIVE_INFINITY });
  }

  /**
   * NATS numbers the deliveries of a queue. Where this message has the number after the last one, no other worker had a message
   * between, so nobody stored a copy, and NATS need not be asked.
   */
  async #waitsBehindCopies(message: Ordered, endpointKey: string): Promise<boolean> {
    const { deliverySequence, receivedAt: at } = message;
    const orderingKey = message.orderingKey!;
    const last = this.#last.get(orderingKey);
    const follows =
      last?.endpointKey === endpointKey &&
      (last.deliverySequence + 1 === deliverySequence || last.deliverySequence === deliverySequence) &&
      at - last.at < COUNTS_MS.following;
    if (!follows) {
      const keys = await this.#queues.keysWithCopies(orderingKey);
      if (keys?.some((key) => key === endpointKey || this.#isEarlierKey(key, endpointKey)) ?? true)
        return true;
    }
    this.#last.set(orderingKey, { endpointKey, deliverySequence, at });
    return false;
  }

  /** The copies under earlier names of a row go first: they were stored before the row got its present name. */
  async #waitsBehindOtherName(message: Ordered, endpointKey: string): Promise<boolean> {
    const { parkedEndpointKey: own, receivedAt: at } = message;
    if (own !== endpointKey) return false;
    const queue = message.orderingKey!;
    if (at - (this.#alone.get(queue)?.at ?? Number.NEGATIVE_INFINITY) < COUNTS_MS.copies) return false;
    const keys = await this.#queues.keysWithCopies(queueWithoutKey(queue));
    if (keys?.some((key) => key !== own && this.#isEarlierKey(key, endpointKey)) ?? true) return true;
    this.#alone.set(queue, { at });
    return false;
  }

  #isEarlierKey(key: string, endpointKey: string): boolean {
    return isSameRow(key, endpointKey) && !this.#isPresentKey(key);
  }
}

/** `ordered.<stream>.<ordering key>.<endpoint key>` to the ordering key. */
function queueWithoutKey(queue: string): string {
  return queue.split('.').slice(2, -1).join('.');
}

/** A row keeps its digits, which depend on its id alone, when it is renamed, and its name when it is deleted and registered again. */
function isSameRow(one: string, other: string): boolean {
  const [a, b] = [partsOfKey(one), partsOfKey(other)];
  if (a === null || b === null) return one === other;
  return a.digits === b.digits || a.shown === b.shown;
}
