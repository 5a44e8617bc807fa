import { NO_ENDPOINT_KEY } from '../../core/request/target.ts';
import type { Verdict } from '../../core/retry/verdict.ts';
import { scheduledKeyFor } from '../../core/scheduled-queue.ts';
import type { HandOut } from '../messages/received-message.ts';
import type { ParkingLot } from './parked-writer.ts';

/** Wait before a message is handed out again that could not be parked, in milliseconds; doubled each time, and never in step with others. */
const STUCK_MS = { first: 2000, most: 60_000 };
/** A message too large for a copy that waits for its time is looked at again after this long, in milliseconds: a month. */
const LONGEST_NAK_MS = 30 * 86_400_000;

/** Which delivery a message is. */
export type DeliveryKey = { readonly id: string; readonly endpointKey: string };

export type ParkerOptions = {
  readonly parking: ParkingLot;
  /** Keeps a message that could not be parked, or has to keep its order, held as it is, or returns false. */
  defer(handOut: HandOut, endpointKey: string): boolean;
  handBack(handOut: HandOut, delayMs: number): Verdict;
  /** It is parked: the server hears no more of it from us. */
  moved(handOut: HandOut): void;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/** Parks messages; what cannot be parked is kept, or handed back. */
export function createParker({ parking, defer, handBack, moved, random }: ParkerOptions) {
  let hasHandedBack = false;

  /**
   * Copies it to its endpoint's own queue, or to several.
   *
   * @param notBefore Before when it is not to be sent, in milliseconds since 1970; null: at once.
   */
  async function park(
    handOut: HandOut,
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
    const parked = await parking.park(handOut, ...copies);
    if (parked === 'parked') moved(handOut);
    return parked === 'parked';
  }

  /** @param wanted What was done where it is parked. */
  async function parkOrKeep(
    handOut: HandOut,
    deliveries: readonly DeliveryKey[],
    attempts: number,
    notBefore: number | null = null,
    wanted: Verdict = { kind: 'park' },
  ): Promise<Verdict> {
    if (await park(handOut, deliveries, attempts, notBefore)) return wanted;
    if (defer(handOut, NO_ENDPOINT_KEY)) return { kind: 'setAside' };
    hasHandedBack = true;
    return handBack(handOut, stuckMs(handOut.handOuts));
  }

  /** Copies it to the queue of its time. */
  async function schedule(
    handOut: HandOut,
    id: string,
    verdict: Extract<Verdict, { kind: 'schedule' }>,
  ): Promise<Verdict> {
    const now = Date.now();
    const key = scheduledKeyFor(verdict.dueAt, now);
    // Older workers open every queue at once, and look only at that time.
    if (handOut.queue === null && parking.fits(handOut))
      return parkOrKeep(
        handOut,
        [{ id, endpointKey: key }],
        handOut.attemptNumber - 1,
        verdict.dueAt,
        verdict,
      );
    // No copy of it can be stored, or others of its order wait behind it: it waits where it is.
    return handBack(handOut, Math.min(LONGEST_NAK_MS, Math.max(0, verdict.dueAt - now)));
  }

  /** One that keeps its order is never parked: it waits here. */
  function keepInOrder(handOut: HandOut, endpointKey: string): Verdict {
    if (defer(handOut, endpointKey)) return { kind: 'setAside' };
    return handBack(handOut, stuckMs(handOut.handOuts));
  }

  function stuckMs(handOuts: number): number {
    return Math.round(Math.min(STUCK_MS.most, STUCK_MS.first * 2 ** (handOuts - 1)) * (0.5 + random()));
  }

  return {
    park,
    parkOrKeep,
    schedule,
    keepInOrder,
    /** Whether messages were handed back that could not be parked. */
    hasHandedBack: () => hasHandedBack,
  };
}
