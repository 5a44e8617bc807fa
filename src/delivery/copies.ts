import { parkedQueueKey } from '../core/parked-queue-key.ts';
import { attemptsMade, type Outcome } from '../core/retry/attempt.ts';
import type { Message } from './message.ts';
import type { FanOut } from './resolve.ts';

/** Which delivery a message is, or will be. */
export type DeliveryKey = {
  readonly id: string;
  readonly endpointKey: string;
  /** `webhook_id` of the row of `rule_webhooks`; null: there is none, or it is not known. */
  readonly webhookId: number | null;
};

/** A copy of a message for one queue. */
export type Copy = {
  readonly deliveryId: string;
  /** Key of the queue: of the endpoint's key and the class of the message, or of a minute or day. */
  readonly endpointKey: string;
  /** `webhook_id` of the row of `rule_webhooks`; null: there is none, or it is not known. */
  readonly webhookId: number | null;
  /** Attempts made so far. */
  readonly attempts: number;
  /** Milliseconds since 1970; null: it may be sent at once. */
  readonly notBefore: number | null;
};

/** A copy that may be sent at once. */
export function copyOf(
  { attemptNumber }: Pick<Message, 'attemptNumber'>,
  { id, endpointKey, webhookId }: DeliveryKey,
): Copy {
  const attempts = attemptNumber - 1;
  return {
    deliveryId: id,
    endpointKey: parkedQueueKey(endpointKey, attempts),
    webhookId,
    attempts,
    notBefore: null,
  };
}

/** A copy that counts the attempt that has just ended. @param notBefore Milliseconds since 1970. */
export function copyAfterAttempt(
  { attemptNumber }: Pick<Message, 'attemptNumber'>,
  { id, endpointKey, webhookId }: DeliveryKey,
  outcome: Outcome,
  notBefore: number,
): Copy {
  const attempts = attemptsMade(attemptNumber, outcome);
  return {
    deliveryId: id,
    endpointKey: parkedQueueKey(endpointKey, attempts),
    webhookId,
    attempts,
    notBefore,
  };
}

/** One copy for each endpoint of a message of which no attempt was made. */
export function copiesFor({ id, endpointKeys, webhookIds }: FanOut): Copy[] {
  return endpointKeys.map((endpointKey, index) => ({
    deliveryId: id,
    endpointKey,
    webhookId: webhookIds[index]!,
    attempts: 0,
    notBefore: null,
  }));
}
