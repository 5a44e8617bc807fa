import type { Delivery } from '../core/message/delivery.ts';
import type { Parsed } from '../core/message/envelope.ts';
import type { Attempt, Outcome } from '../core/retry/attempt.ts';
import { isOver, judgeTimes, type Times, timesOf } from '../core/retry/delivery-window.ts';
import { decide, type RetryPolicy, type Verdict, type WaitsIn } from '../core/retry/verdict.ts';
import { faultPoint } from '../runtime/fault-point.ts';
import type { Permit, Rejected } from './admission/tracked-endpoint.ts';
import { untimely } from './check-timing.ts';
import type { Message } from './message.ts';
import { type FanOut, isFanOut, isUnsendable, type KnownRows, resolve, type Unsendable } from './resolve.ts';

const answered = faultPoint('attempt.answered');

/** What the journey needs from outside. */
export interface Surroundings<M extends Message> {
  /** Of messages that name their URL themselves. */
  readonly policy: RetryPolicy;
  /** MAX_AGE_HOURS, in milliseconds; 0: none. */
  readonly maxAgeMs: number;
  /** The rows of `rule_webhooks`, as they are known now; null while they have never been read. */
  rows(): KnownRows | null;
  parse(message: M): Parsed;
  /**
   * Puts a copy into the queue of each of its endpoints: each is a delivery of its own from then on.
   *
   * @returns null; or why no copy of it can ever be stored.
   */
  fanOut(message: M, fanOut: FanOut): Promise<Unsendable | null>;
  /** Lets it in where its endpoint has room, after a while perhaps, or turns it away. */
  admit(message: M, delivery: Delivery): Permit | Rejected | Promise<Permit | Rejected>;
  /** One HTTP request, unless that is over before it can begin. Never throws: what went wrong is an outcome. */
  send(delivery: Delivery, isOver: () => boolean): Promise<Attempt>;
  /** Whether messages may have been handed back unsent: then the number of their hand-outs says nothing of attempts. */
  hasHandedBack(message: M): boolean;
  /** Where a message of this endpoint waits for its next attempt, as things are now. */
  waitsIn(message: M, delivery: Delivery | Unsendable): WaitsIn;
  /** Does what was decided, and says what was done: what can be stored nowhere is handed back. */
  settle(message: M, delivery: Delivery | Unsendable, attempt: Attempt, verdict: Verdict): Promise<Verdict>;
  record(message: M, delivery: Delivery | Unsendable, attempt: Attempt, done: Verdict): void;
  now(): number;
  random(): number;
}

/** The journey of a message, from its bytes to the word that ends this hand-out. */
export async function handleMessage<M extends Message>(message: M, around: Surroundings<M>): Promise<void> {
  const parsed = around.parse(message);
  const times = timesOf(message, around.maxAgeMs);
  const rows = around.rows();
  const routed = untimely(parsed, times, message, rows, around.now()) ?? resolve(parsed, message, rows);
  const delivery = isFanOut(routed) ? await around.fanOut(message, routed) : routed;
  if (delivery === null) return;
  const attempt = await attemptOnce(delivery, times, message, around);
  const policy = policyOf(delivery, around);
  const waitsIn = around.waitsIn(message, delivery);
  const verdict = decide(attempt, message.attemptNumber, waitsIn, policy, around.random(), times.expiry);
  const done = await around.settle(message, delivery, attempt, verdict);
  around.record(message, delivery, attempt, done);
}

async function attemptOnce<M extends Message>(
  delivery: Delivery | Unsendable,
  times: Times,
  message: M,
  around: Surroundings<M>,
): Promise<Attempt> {
  if (isUnsendable(delivery)) return notSent(delivery.outcome, around.now());
  // The hand-outs before were lost with their workers, and may have been sent: never more than maxAttempts requests.
  const lost = message.attemptNumber - 1;
  if (lost >= policyOf(delivery, around).maxAttempts && !around.hasHandedBack(message))
    return notSent({ kind: 'spent', handOuts: lost }, around.now());
  const permit = await around.admit(message, delivery);
  if (permit.kind === 'noCapacity') return notSent(permit, around.now());
  // It may have waited for room.
  const late = judgeTimes(times, around.now(), message.notBefore);
  const attempt =
    late === null
      ? await around.send(delivery, () => isOver(times.expiry, around.now()))
      : notSent(late, around.now());
  answered();
  permit.release(attempt);
  return attempt;
}

/** A row of `rule_webhooks` has its own. */
function policyOf(
  delivery: Delivery | Unsendable,
  around: Pick<Surroundings<Message>, 'policy'>,
): RetryPolicy {
  return isUnsendable(delivery) ? around.policy : (delivery.endpoint?.policy ?? around.policy);
}

function notSent(outcome: Outcome, now: number): Attempt {
  return { outcome, startedAt: now, durationMs: 0 };
}
