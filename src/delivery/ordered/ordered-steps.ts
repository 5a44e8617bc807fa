import type { Disposition } from '../../core/retry/disposition.ts';
import type { Admission } from '../admission/admission.ts';
import type { EndpointHolds } from '../admission/endpoint-holds.ts';
import { endpointKeyOf } from '../delivery-key.ts';
import type { DeliverySteps } from '../handle-message.ts';
import type { Message } from '../message.ts';
import type { SettlementEffects } from '../settler.ts';
import type { CopyOrder } from './copy-order.ts';
import type { OrderedDispatcher, OrderedMessage } from './ordered-dispatcher.ts';
import type { OrderedQueueReader } from './ordered-reader.ts';

export type OrderedStepsOptions<M extends Message & OrderedMessage> = {
  /** The steps of a message that needs no order. */
  readonly steps: DeliverySteps<M>;
  readonly effects: Pick<SettlementEffects<M>, 'abandon' | 'nak'> & {
    /** True if NATS cannot have given the message to another worker, also after `forMs`. */
    isLeaseValid(message: M, forMs?: number): boolean;
  };
  readonly admission: Pick<Admission, 'admit'>;
  readonly dispatcher: Pick<OrderedDispatcher<M>, 'mustWaitBehind' | 'onSettled'>;
  readonly reader: Pick<OrderedQueueReader<M>, 'onPublished'>;
  readonly holds: Pick<EndpointHolds, 'isLeftToPeers'>;
  /** True if the message is acked already, by a worker whose ack came late. */
  isAcked(message: M): Promise<boolean>;
  readonly copyOrder: Pick<CopyOrder, 'mustWait' | 'onFanOut'>;
  /** The ordering key of the copies of one key for one endpoint. */
  copyKey(orderingKey: string, endpointKey: string): string;
  /** Ack wait of the consumers, in milliseconds. */
  ackWaitMs(): number;
};

/**
 * How long this worker leaves the queue of an ordering key to its peers, after a message that only they may send, in milliseconds.
 * The reader looks at the queue earlier, after its longest wait.
 */
const LEFT_MS = 60_000;
const WAITS_BEHIND = 'earlier messages wait for capacity at the endpoint';
const WAITS_BEHIND_COPIES = 'copies of earlier messages wait for the endpoint';
const LEASE_OVER =
  'the lease on the message ends too soon for an attempt: NATS may deliver the message to another worker';

/** The steps of an ordered message. An ordered message is never parked: the message waits in its stream. */
export function createOrderedSteps<M extends Message & OrderedMessage>(
  options: OrderedStepsOptions<M>,
): DeliverySteps<M> {
  const { steps, effects, admission, dispatcher, reader, holds, isAcked, copyOrder, copyKey, ackWaitMs } =
    options;

  /** Another worker has the message at once: this one does not look at its queue for a while. */
  function leave(message: M): Disposition {
    effects.nak(message, 0);
    return { kind: 'requeued', delayMs: LEFT_MS };
  }

  return {
    ...steps,
    // A worker that stopped may have requeued the message unsent. So the message is sent at least once, whatever the delivery
    // count.
    hasRequeued: () => true,
    retryVia: () => 'nak',

    async admit(message, { target, endpoint }) {
      // If the endpoint was one of several before, copies of earlier messages may still wait for it. These copies go first.
      if (endpoint !== null && (await copyOrder.mustWait(message, target.endpointKey)))
        return { kind: 'noCapacity', reason: WAITS_BEHIND_COPIES };
      if (dispatcher.mustWaitBehind(message, target.endpointKey))
        return { kind: 'noCapacity', reason: WAITS_BEHIND };
      if (await isAcked(message)) {
        effects.abandon(message);
        return { kind: 'noCapacity', reason: 'the message is acked already' };
      }
      // Treated as a parked copy, so that parked messages of the endpoint, which have a queue of their own, do not go first.
      const permit = await admission.admit(target, {
        isParkedCopy: true,
        isRetry: message.attemptNumber > 1,
        cannotPark: false,
      });
      // An attempt takes at most half of the ack wait. It must be over before NATS can deliver the message to another worker.
      if (permit.kind === 'noCapacity' || effects.isLeaseValid(message, ackWaitMs() / 2)) return permit;
      const outcome = { kind: 'noCapacity', reason: LEASE_OVER } as const;
      permit.release({ outcome, startedAt: steps.now(), durationMs: 0 });
      return outcome;
    },

    async fanOut(message, fanOut) {
      // Another worker may have copied this message already, and the next one too.
      if (!effects.isLeaseValid(message)) {
        effects.abandon(message);
        return null;
      }
      copyOrder.onFanOut(message);
      const tooLarge = await steps.fanOut(message, fanOut);
      for (const endpointKey of tooLarge === null ? fanOut.endpointKeys : [])
        reader.onPublished(copyKey(message.orderingKey!, endpointKey));
      return tooLarge;
    },

    async settle(message, delivery, attempt, verdict) {
      const isLeft = verdict.kind === 'park' && holds.isLeftToPeers(endpointKeyOf(delivery));
      const disposition = isLeft ? leave(message) : await steps.settle(message, delivery, attempt, verdict);
      dispatcher.onSettled(message, disposition);
      return disposition;
    },
  };
}
