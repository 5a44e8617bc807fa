import { type Clock, systemClock } from '../runtime/clock.ts';
import type { Ledger } from './ledger.ts';

/** What NATS says about the group of workers now. */
export type Outlook = {
  /** Requests of workers for messages that are open now. Null: unknown. */
  readonly openPulls: number | null;
  /** Messages that NATS delivered to workers and that are not acked. Null: unknown. */
  readonly ackPending: number | null;
  /** Messages in all streams from which workers deliver. Null: unknown. */
  readonly stored: number | null;
  /** Rows of the run that wait in the outbox. Null: unknown. */
  readonly enqueued: number | null;
};

export type WaitOptions = {
  readonly ledger: Pick<Ledger, 'totals' | 'lastArrivalAt'>;
  readonly look: () => Promise<Outlook>;
  /** How long no request may come before the wait ends, in milliseconds. */
  readonly waitMs: number;
  /** Ends the wait. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
};

/**
 * How long NATS must have had no message left before nothing more is expected, in milliseconds: a message is acked a moment before
 * its answer is counted here, or after.
 */
const NOTHING_STORED_MS = 3000;
/** How long no worker must have asked for messages before the wait ends, in milliseconds. Above the life of a pull, 3 s. */
const NO_WORKER_MS = 10_000;
const LOOK_EVERY_MS = 500;

/**
 * Waits until every message that may be stored has arrived.
 *
 * @returns null if all have arrived; else a sentence that says why the wait ended.
 */
export async function awaitArrivals(options: WaitOptions): Promise<string | null> {
  const { ledger, look, waitMs, signal, clock = systemClock } = options;
  const startedAt = clock.now();
  for (;;) {
    if (missing(ledger) === 0) return null;
    if (signal.aborted) return 'The wait was interrupted.';
    const outlook = await look();
    if (missing(ledger) === 0) return null;
    const idleMs = clock.now() - Math.max(startedAt, ledger.lastArrivalAt() ?? startedAt);
    const why = whyGiveUp(outlook, idleMs, waitMs);
    if (why !== null) return why;
    await pause(clock, signal);
  }
}

/** How long to wait at most until nothing is left from which one more message could come, in milliseconds. */
const QUIET_WITHIN_MS = 10_000;

/**
 * Waits until no message is left in the outbox and in NATS: one that must not arrive, or that arrives again, has come by then. Messages
 * of others may keep it waiting for ten seconds.
 */
export async function awaitQuiet({
  look,
  signal,
  clock = systemClock,
}: Pick<WaitOptions, 'look' | 'signal' | 'clock'>): Promise<void> {
  const endsAt = clock.now() + QUIET_WITHIN_MS;
  while (!signal.aborted && clock.now() < endsAt) {
    const { stored, enqueued } = await look();
    if (stored === 0 && enqueued === 0) return;
    await pause(clock, signal);
  }
}

function missing(ledger: WaitOptions['ledger']): number {
  const { waiting, unconfirmed } = ledger.totals();
  return waiting + unconfirmed;
}

/** @param idleMs For how long no request has come, in milliseconds. @returns a sentence; null: it is worth to wait. */
export function whyGiveUp(
  { openPulls, ackPending, stored, enqueued }: Outlook,
  idleMs: number,
  waitMs: number,
): string | null {
  if (stored === 0 && enqueued === 0 && idleMs >= NOTHING_STORED_MS)
    return 'NATS has no message left from which one more could be delivered.';
  if (openPulls === 0 && ackPending === 0 && idleMs >= NO_WORKER_MS)
    return 'No worker runs: for 10 s, none has asked NATS for messages. Start one with `worker`.';
  if (idleMs < waitMs) return null;
  const noWorker = openPulls === 0 ? ' No worker asks NATS for messages now.' : '';
  const rows = enqueued ?? 0;
  const noRelay =
    rows > 0
      ? ` In the outbox, ${rows} ${rows === 1 ? 'row waits' : 'rows wait'} for a relay: start one with \`relay\`.`
      : '';
  return `No request has come for ${waitMs / 1000} s (--wait).${noWorker}${noRelay}`;
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(LOOK_EVERY_MS, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
