import { NO_ENDPOINT_KEY } from '../../core/request/target.ts';
import type { Verdict } from '../../core/retry/verdict.ts';
import { scheduledKeyFor } from '../../core/scheduled-queue.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import type { ParkedWriter } from './parked-writer.ts';

/** Wait before a message is handed out again that could not be parked, in milliseconds; doubled each time, and never in step with others. */
const REQUEUE_DELAY_MS = { first: 2000, max: 60_000 };
/** A message too large for a copy that waits for its time is looked at again after this long, in milliseconds: a month. */
const LONGEST_NAK_MS = 30 * 86_400_000;

/** Which delivery a message is. */
export type DeliveryKey = { readonly id: string; readonly endpointKey: string };

export type ParkerOptions = {
  readonly parkedWriter: ParkedWriter;
  /** Keeps a message that could not be parked, or has to keep its order, held as it is, or returns false. */
  defer(message: ReceivedMessage, endpointKey: string): boolean;
  requeue(message: ReceivedMessage, delayMs: number): Verdict;
  /** It is parked: the server hears no more of it from us. */
  onParked(message: ReceivedMessage): void;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/** Parks messages; what cannot be parked is kept, or handed back. */
export function createParker({ parkedWriter, defer, requeue, onParked, random }: ParkerOptions) {
  let hasRequeued = false;

  /**
   * Copies it to its endpoint's own queue, or to several.
   *
   * @param notBefore Before when it is not to be sent, in milliseconds since 1970; null: at once.
   */
  async function park(
    message: ReceivedMessage,
    deliveries: readonly DeliveryKey[],
    attempts: number,
    notBefore: number | null,
  ): Promise<boolean> {
    const copies = deliveries.map(({ id, endpointKey }) => ({
      deliveryId: id,
      endpointKey,
      attempts,
      notBefore,
    }));
    const parked = await parkedWriter.park(message, ...copies);
    if (parked === 'parked') onParked(message);
    return parked === 'parked';
  }

  /** @param wanted What was done where it is parked. */
  async function parkOrDefer(
    message: ReceivedMessage,
    deliveries: readonly DeliveryKey[],
    attempts: number,
    notBefore: number | null = null,
    wanted: Verdict = { kind: 'park' },
  ): Promise<Verdict> {
    if (await park(message, deliveries, attempts, notBefore)) return wanted;
    if (defer(message, NO_ENDPOINT_KEY)) return { kind: 'deferred' };
    hasRequeued = true;
    return requeue(message, requeueDelayMs(message.deliveryCount));
  }

  /** Copies it to the queue of its time. */
  async function schedule(
    message: ReceivedMessage,
    id: string,
    verdict: Extract<Verdict, { kind: 'schedule' }>,
  ): Promise<Verdict> {
    const now = Date.now();
    const key = scheduledKeyFor(verdict.dueAt, now);
    // Older workers open every queue at once, and look only at that time.
    if (message.orderingKey === null && parkedWriter.fits(message))
      return parkOrDefer(
        message,
        [{ id, endpointKey: key }],
        message.attemptNumber - 1,
        verdict.dueAt,
        verdict,
      );
    // No copy of it can be stored, or others of its order wait behind it: it waits where it is.
    return requeue(message, Math.min(LONGEST_NAK_MS, Math.max(0, verdict.dueAt - now)));
  }

  /** One that keeps its order is never parked: it waits here. */
  function deferOrdered(message: ReceivedMessage, endpointKey: string): Verdict {
    if (defer(message, endpointKey)) return { kind: 'deferred' };
    return requeue(message, requeueDelayMs(message.deliveryCount));
  }

  function requeueDelayMs(deliveryCount: number): number {
    return Math.round(
      Math.min(REQUEUE_DELAY_MS.max, REQUEUE_DELAY_MS.first * 2 ** (deliveryCount - 1)) * (0.5 + random()),
    );
  }

  return {
    park,
    parkOrKeep: parkOrDefer,
    schedule,
    keepInOrder: deferOrdered,
    /** Whether messages were handed back that could not be parked. */
    hasRequeued: () => hasRequeued,
  };
}
