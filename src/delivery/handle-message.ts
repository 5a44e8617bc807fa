import type { Delivery } from '../core/message/delivery.ts';
import type { ParsedMessage } from '../core/message/envelope.ts';
import type { Attempt, Outcome } from '../core/retry/attempt.ts';
import { checkWindow, type DeliveryWindow, deliveryWindowOf, isOver } from '../core/retry/delivery-window.ts';
import type { Disposition } from '../core/retry/disposition.ts';
import { decide, type RetryPolicy, type RetryVia, type Verdict } from '../core/retry/verdict.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Permit, Rejected } from './admission/tracked-endpoint.ts';
import { checkTiming } from './check-timing.ts';
import { deleteMarker } from './delete-marker.ts';
import type { Message } from './message.ts';
import {
  type FanOut,
  isFanOut,
  isUndeliverable,
  type RegistrySnapshot,
  resolve,
  type TargetFor,
  type Undeliverable,
} from './resolve.ts';

const answered = failpoint('attempt.answered');

/** The steps of a delivery that need something from outside. */
export interface DeliverySteps<M extends Message> {
  /** For messages that name their URL themselves. */
  readonly policy: RetryPolicy;
  /** MAX_AGE_HOURS, in milliseconds; 0: none. */
  readonly maxAgeMs: number;
  /** The last known rows of `rule_webhooks`; null while they have never been read. */
  registry(): RegistrySnapshot | null;
  parse(message: M): ParsedMessage;
  /** Decides whether a URL in a message is an endpoint of its own now, or belongs to its origin. */
  readonly targetFor: TargetFor;
  /**
   * Puts one copy per endpoint into the parked queues. Each copy is a delivery of its own.
   *
   * @returns Null; or why no copy of the message can ever be stored.
   */
  fanOut(message: M, fanOut: FanOut): Promise<Undeliverable | null>;
  /** Grants a permit of the endpoint limiter, perhaps after a wait, or rejects the message. */
  admit(message: M, delivery: Delivery): Permit | Rejected | Promise<Permit | Rejected>;
  /** Sends one HTTP request, unless `isOver` becomes true before it starts. Never throws: a failure is an outcome. */
  send(delivery: Delivery, isOver: () => boolean): Promise<Attempt>;
  /** True if a worker may have requeued the message unsent. Then the delivery count does not tell the number of attempts. */
  hasRequeued(message: M): boolean;
  /** How a message of this endpoint waits for its next attempt now: nak'd or parked. */
  retryVia(message: M, delivery: Delivery | Undeliverable): RetryVia;
  /** Carries out the verdict, and returns what was really done: a message that no stream takes is requeued. */
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

/** Handles one delivery by NATS, from the bytes of the message to its settlement. */
export async function handleMessage<M extends Message>(message: M, steps: DeliverySteps<M>): Promise<void> {
  const parsed = steps.parse(message);
  const window = deliveryWindowOf(message, steps.maxAgeMs);
  const registry = steps.registry();
  const routed =
    deleteMarker(message) ??
    checkTiming(parsed, window, message, registry, steps.targetFor, steps.now()) ??
    resolve(parsed, message, registry, steps.targetFor);
  const delivery = isFanOut(routed) ? await steps.fanOut(message, routed) : routed;
  if (delivery === null) return;
  const policy = policyOf(delivery, parsed, steps);
  const attempt = await attemptOnce(delivery, window, policy, message, steps);
  const retryVia = steps.retryVia(message, delivery);
  const verdict = decide(attempt, message.attemptNumber, retryVia, policy, steps.random(), window.expiry);
  const disposition = await steps.settle(message, delivery, attempt, verdict);
  steps.record(message, delivery, attempt, disposition);
}

async function attemptOnce<M extends Message>(
  delivery: Delivery | Undeliverable,
  window: DeliveryWindow,
  { maxAttempts }: RetryPolicy,
  message: M,
  steps: DeliverySteps<M>,
): Promise<Attempt> {
  if (isUndeliverable(delivery)) return notSent(delivery.outcome, steps.now());
  // Each earlier delivery by NATS ended without a result, and may have sent its request. So each one counts as an attempt.
  const lost = message.attemptNumber - 1;
  if (lost >= maxAttempts && !steps.hasRequeued(message))
    return notSent({ kind: 'lostAttempts', deliveryCount: lost }, steps.now());
  const permit = await steps.admit(message, delivery);
  if (permit.kind === 'noCapacity') return notSent(permit, steps.now());
  // The message may have expired while it waited for a permit.
  const untimely = checkWindow(window, steps.now(), message.notBefore);
  const attempt =
    untimely === null
      ? await steps.send(delivery, () => isOver(window.expiry, steps.now()))
      : notSent(untimely, steps.now());
  answered();
  permit.release(attempt);
  return attempt;
}

/** A row of `rule_webhooks` has its own retry policy. A message may have its own number of attempts. */
function policyOf(
  delivery: Delivery | Undeliverable,
  parsed: ParsedMessage,
  steps: Pick<DeliverySteps<Message>, 'policy'>,
): RetryPolicy {
  const policy = isUndeliverable(delivery) ? steps.policy : (delivery.endpoint?.policy ?? steps.policy);
  const asked = 'parameters' in parsed ? parsed.parameters.maxAttempts : null;
  return asked === null ? policy : { ...policy, maxAttempts: asked };
}

function notSent(outcome: Outcome, now: number): Attempt {
  return { outcome, startedAt: now, durationMs: 0 };
}
