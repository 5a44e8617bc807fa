import { type Clock, systemClock } from '../runtime/clock.ts';
import type { Ledger, SendResult } from './ledger.ts';
import type { PlannedMessage } from './plan.ts';

/** Hands messages over: to NATS, to the HTTP API or to the outbox. */
export interface SendPort<Message> {
  /** Resolves when one more message can be handed over. */
  whenFree(): Promise<void>;
  /** Resolves when it is certain whether the message is stored, or that nobody will say so. Never rejects for one message. */
  send(message: Message): Promise<SendResult>;
}

export type SendingReport = {
  /** How long sending took, in milliseconds, to the last confirmation. */
  readonly tookMs: number;
  /** How far sending was behind its plan at worst, in milliseconds. Large: this machine or the server cannot keep the rate. */
  readonly behindMs: number;
  /** Why the rest was not sent: no message could be stored. Null: all messages were handed over, or `signal` ended the run. */
  readonly stoppedBy: string | null;
};

export type SendingOptions<Message> = {
  readonly plan: Iterable<PlannedMessage>;
  /** Makes the message when it is due. */
  readonly messageOf: (planned: PlannedMessage) => Message;
  readonly port: SendPort<Message>;
  readonly ledger: Ledger;
  /** Ends sending. Messages under way are still confirmed. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
};

/** A wait for a time this near, in milliseconds, is no wait: timers are not more exact. */
const NEAR_MS = 0.5;
/**
 * After so long without a wait, in milliseconds, the sender lets other work of the process run. Without it, a sender that is behind
 * its plan would keep the receiver of the same process from answering, and workers would judge the receiver by that.
 */
const GIVES_WAY_AFTER_MS = 5;

/**
 * Sends each message when it is due, whatever became of those before it. If the port is not free, messages are sent late, and their
 * latency still counts from when they were due.
 */
export async function sendPlan<Message>(options: SendingOptions<Message>): Promise<SendingReport> {
  const { plan, messageOf, port, ledger, signal, clock = systemClock } = options;
  const startedAt = clock.now();
  const underWay = new Set<Promise<void>>();
  let behindMs = 0;
  let stoppedBy: string | null = null;
  const stopping = new AbortController();
  const ending = AbortSignal.any([signal, stopping.signal]);

  async function send(dueAt: number, message: Message): Promise<void> {
    const result = await port.send(message);
    ledger.sent(dueAt, result);
    if (result.kind !== 'refused' || !result.endsRun) return;
    stoppedBy ??= result.reason;
    stopping.abort();
  }

  let waitedAt = startedAt;
  for (const planned of plan) {
    const dueAt = startedAt + planned.dueMs;
    const now = clock.now();
    if (dueAt - now > NEAR_MS || now - waitedAt > GIVES_WAY_AFTER_MS) {
      await waitUntil(dueAt, clock, ending);
      waitedAt = clock.now();
    }
    if (ending.aborted) break;
    await port.whenFree();
    if (ending.aborted) break;
    behindMs = Math.max(behindMs, clock.now() - dueAt);
    const sending = send(dueAt, messageOf(planned)).finally(() => underWay.delete(sending));
    underWay.add(sending);
  }
  await Promise.all(underWay);
  return { tookMs: clock.now() - startedAt, behindMs, stoppedBy };
}

function waitUntil(at: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(Math.max(0, at - clock.now()), done);
    signal.addEventListener('abort', done, { once: true });
  });
}
