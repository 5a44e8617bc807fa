import { setTimeout as pause } from 'node:timers/promises';
import type { Delivery } from '../core/message/delivery.ts';
import type { Attempt } from '../core/retry/attempt.ts';

/** Wait before our own machine is tried again, in milliseconds. */
const LOCAL_FAULT_DELAY_MS = 1000;

/**
 * Waits out the faults of our own machine (no sockets left) in the slot: they are nobody's attempt, and taking
 * fewer messages is just what such a machine needs. What is over meanwhile is not sent any more.
 *
 * @param stopping Once aborted, a fault is returned at once.
 * @param tell Told of a fault, once for all the deliveries that wait for the same pause.
 */
export function withLocalFaultRetry(
  send: (delivery: Delivery) => Promise<Attempt>,
  stopping: AbortSignal,
  tell: (code: string) => void,
): (delivery: Delivery, isOver: () => boolean) => Promise<Attempt> {
  /** One for all: each with its own would be a listener more on the signal. */
  let pausing: Promise<void> | null = null;

  function waitOut(code: string): Promise<void> {
    tell(code);
    return pause(LOCAL_FAULT_DELAY_MS, undefined, { signal: stopping })
      .catch(() => undefined)
      .finally(() => {
        pausing = null;
      });
  }

  return async (delivery, isOver) => {
    for (;;) {
      const attempt = await send(delivery);
      if (attempt.outcome.kind !== 'localFault') return attempt;
      pausing ??= waitOut(attempt.outcome.code);
      await pausing;
      if (stopping.aborted || isOver()) return attempt;
    }
  };
}
