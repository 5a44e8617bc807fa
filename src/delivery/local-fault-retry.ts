import { setTimeout as pause } from 'node:timers/promises';
import type { Delivery } from '../core/message/delivery.ts';
import type { Attempt } from '../core/retry/attempt.ts';

/**
 * How long a delivery waits after a fault of this machine, in milliseconds. A shorter wait would load a machine that lacks
 * sockets; a longer one would leave the slots unused after the fault is over.
 */
const LOCAL_FAULT_DELAY_MS = 1000;

/**
 * Retries a send that failed by a fault of this machine, for example without free sockets. The delivery waits in its slot, and
 * the fault is not an attempt. Held slots also make the worker pull fewer messages, as such a machine needs. A message that
 * expires meanwhile is not sent.
 *
 * @param stopping After it is aborted, a fault is returned without a retry.
 * @param onFault Called with the code of a fault, once for all deliveries that share a pause.
 */
export function withLocalFaultRetry(
  send: (delivery: Delivery) => Promise<Attempt>,
  stopping: AbortSignal,
  onFault: (code: string) => void,
): (delivery: Delivery, isOver: () => boolean) => Promise<Attempt> {
  /** One pause for all deliveries, because each pause adds a listener to the signal. */
  let pausing: Promise<void> | null = null;

  function waitOut(code: string): Promise<void> {
    onFault(code);
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
