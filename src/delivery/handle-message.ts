import type { Delivery } from '../core/message/delivery.ts';
import type { ParsedMessage } from '../core/message/envelope.ts';
import type { Attempt, Outcome } from '../core/retry/attempt.ts';
import { checkWindow, type DeliveryWindow, deliveryWindowOf, isOver } from '../core/retry/delivery-window.ts';
import type { Disposition } from '../core/retry/disposition.ts';
import { decide, type RetryPolicy, type RetryVia, type Verdict } from '../core/retry/verdict.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Permit, Rejected } from './admission/tracked-endpoint.ts';
import { checkTiming } from './check-timing.ts';
import type { Message } from './message.ts';
import {
  type FanOut,
  isFanOut,
  isUndeliverable,
  type RegistrySnapshot,
  resolve,
  type Undeliverable,
} from './resolve.ts';

const answered = failpoint('attempt.answered');

/** What the journey needs from outside. */
export interface DeliverySteps<M extends Message> {
  /** Of messages that name their URL themselves. */
  readonly policy: RetryPolicy;
  /** MAX_AGE_HOURS, in milliseconds; 0: none. */
  readonly maxAgeMs: number;
  /** The rows of `rule_webhooks`, as they are known now; null while they have never been read. */
  registry(): RegistrySnapshot | null;
  parse(message: M): ParsedMessage;
  /**
   * Puts a copy into the queue of each of its endpoints: each is a delivery of its own from then on.
   *
   * @returns null; or why no copy of it can ever be stored.
   */
  fanOut(message: M, fanOut: FanOut): Promise<Undeliverable | null>;
  /** Lets it in where its endpoint has room, after a while perhaps, or turns it away. */
  admit(message: M, delivery: Delivery): Permit | Rejected | Promise<Permit | Rejected>;
  /** One HTTP request, unless that is over before it can begin. Never throws: what went wrong is an outcome. */
  send(delivery: Delivery, isOver: () => boolean): Promise<Attempt>;
  /** Whether messages may have been handed back unsent: then the number of their hand-outs says nothing of attempts. */
  hasRequeued(message: M): boolean;
  /** Where a message of this endpoint waits for its next attempt, as things are now. */
  retryVia(message: M, delivery: Delivery | Undeliverable): RetryVia;
  /** Does what was decided, and says what was done: what can be stored nowhere is handed back. */
  settle(
    message: M,
    delivery: Delivery | Undeliverable,
    attempt: Attempt,
    verdict: Verdict,
  ): Promise<Disposition>;
  record(message: M, delivery: Delivery | Undeliverable, attempt: Attempt, disposition: Disposition): void;
  now(): number;
  random(): number;
}

/** The journey of a message, from its bytes to the word that ends this hand-out. */
export async function handleMessage<M extends Message>(message: M, steps: DeliverySteps<M>): Promise<void> {
  const parsed = steps.parse(message);
  const window = deliveryWindowOf(message, steps.maxAgeMs);
  const registry = steps.registry();
  const routed =
    checkTiming(parsed, window, message, registry, steps.now()) ?? resolve(parsed, message, registry);
  const delivery = isFanOut(routed) ? await steps.fanOut(message, routed) : routed;
  if (delivery === null) return;
  const attempt = await attemptOnce(delivery, window, message, steps);
  const policy = policyOf(delivery, steps);
  const retryVia = steps.retryVia(message, delivery);
  const verdict = decide(attempt, message.attemptNumber, retryVia, policy, steps.random(), window.expiry);
  const disposition = await steps.settle(message, delivery, attempt, verdict);
  steps.record(message, delivery, attempt, disposition);
}

async function attemptOnce<M extends Message>(
  delivery: Delivery | Undeliverable,
  window: DeliveryWindow,
  message: M,
  steps: DeliverySteps<M>,
): Promise<Attempt> {
  if (isUndeliverable(delivery)) return notSent(delivery.outcome, steps.now());
  // The hand-outs before were lost with their workers, and may have been sent: never more than maxAttempts requests.
  const lost = message.attemptNumber - 1;
  if (lost >= policyOf(delivery, steps).maxAttempts && !steps.hasRequeued(message))
    return notSent({ kind: 'lostAttempts', deliveryCount: lost }, steps.now());
  const permit = await steps.admit(message, delivery);
  if (permit.kind === 'noCapacity') return notSent(permit, steps.now());
  // It may have waited for room.
  const untimely = checkWindow(window, steps.now(), message.notBefore);
  const attempt =
    untimely === null
      ? await steps.send(delivery, () => isOver(window.expiry, steps.now()))
      : notSent(untimely, steps.now());
  answered();
  permit.release(attempt);
  return attempt;
}

/** A row of `rule_webhooks` has its own. */
function policyOf(
  delivery: Delivery | Undeliverable,
  steps: Pick<DeliverySteps<Message>, 'policy'>,
): RetryPolicy {
  return isUndeliverable(delivery) ? steps.policy : (delivery.endpoint?.policy ?? steps.policy);
}

function notSent(outcome: Outcome, now: number): Attempt {
  return { outcome, startedAt: now, durationMs: 0 };
}
