import { parkedQueueKey } from '../core/parked-queue-key.ts';
import { attemptsMade, type Outcome } from '../core/retry/attempt.ts';
import type { DeliveryKey } from './delivery-key.ts';
import type { Message } from './message.ts';
import type { FanOut } from './resolve.ts';

/** A copy of a message for one queue. */
export type Copy = {
  readonly deliveryId: string;
  /** Key of the queue: of the endpoint's key and the class of the message, or of a minute or day. */
  readonly endpointKey: string;
  /** `webhook_id` of the row of `rule_webhooks`; null: there is none, or it is not known. */
  readonly webhookId: number | null;
  /** The endpoint's key in the `Nats-Msg-Id` of the copy, if it is another one: a second copy must have the same id. */
  readonly lastingKey?: string;
  /** Attempts made so far. */
  readonly attempts: number;
  /** Milliseconds since 1970; null: it may be sent at once. */
  readonly notBefore: number | null;
};

/** A copy that may be sent at once. */
export function copyOf({ attemptNumber }: Pick<Message, 'attemptNumber'>, key: DeliveryKey): Copy {
  return copyWith(key, attemptNumber - 1, null);
}

/** A copy that counts the attempt that has just ended. @param notBefore Milliseconds since 1970. */
export function copyAfterAttempt(
  { attemptNumber }: Pick<Message, 'attemptNumber'>,
  key: DeliveryKey,
  outcome: Outcome,
  notBefore: number,
): Copy {
  return copyWith(key, attemptsMade(attemptNumber, outcome), notBefore);
}

function copyWith(
  { id, endpointKey, webhookId, lastingKey }: DeliveryKey,
  attempts: number,
  notBefore: number | null,
): Copy {
  return {
    deliveryId: id,
    endpointKey: parkedQueueKey(endpointKey, attempts),
    webhookId,
    ...(lastingKey !== undefined && { lastingKey }),
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
