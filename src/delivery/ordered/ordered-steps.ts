import type { Admission } from '../admission/admission.ts';
import type { DeliverySteps } from '../handle-message.ts';
import type { Message } from '../message.ts';
import type { SettlementEffects } from '../settler.ts';
import type { OrderedDispatcher, OrderedMessage } from './ordered-dispatcher.ts';
import type { OrderedQueueReader } from './ordered-reader.ts';

export type OrderedStepsOptions<M extends Message & OrderedMessage> = {
  /** The steps of a message that needs no order. */
  readonly steps: DeliverySteps<M>;
  readonly effects: Pick<SettlementEffects<M>, 'abandon'> & {
    /** Whether NATS cannot have given the message to another worker, also after `forMs`. */
    isLeaseValid(message: M, forMs?: number): boolean;
  };
  readonly admission: Pick<Admission, 'admit'>;
  readonly dispatcher: Pick<OrderedDispatcher<M>, 'mustWaitBehind' | 'onSettled'>;
  readonly reader: Pick<OrderedQueueReader<M>, 'hasBacklog' | 'onPublished'>;
  /** Whether the message is acked by now, by a worker that was late. */
  isAcked(message: M): Promise<boolean>;
  /** The ordering key of the copies of one key for one endpoint. */
  copyKey(orderingKey: string, endpointKey: string): string;
  /** What the consumers have, in milliseconds. */
  ackWaitMs(): number;
};

const WAITS_BEHIND = 'others wait for room there';
const NOT_HEARD = 'NATS did not hear of it lately, and may give it to another worker';

/** The steps of a message that keeps its order: it is never parked, and waits in its stream. */
export function createOrderedSteps<M extends Message & OrderedMessage>(
  options: OrderedStepsOptions<M>,
): DeliverySteps<M> {
  const { steps, effects, admission, dispatcher, reader, isAcked, copyKey, ackWaitMs } = options;
  return {
    ...steps,
    // Any worker that stopped may have requeued the message unsent: so it is sent at least once.
    hasRequeued: () => true,
    retryVia: () => 'nak',

    async admit(message, { target, endpoint }) {
      // The endpoint was one of several a moment ago: the copies that were made for it then go first.
      const hasCopies =
        endpoint !== null &&
        message.parkedEndpointKey === null &&
        reader.hasBacklog(copyKey(message.orderingKey!, target.endpointKey));
      if (dispatcher.mustWaitBehind(message, target.endpointKey) || hasCopies)
        return { kind: 'noCapacity', reason: WAITS_BEHIND };
      if (await isAcked(message)) {
        effects.abandon(message);
        return { kind: 'noCapacity', reason: 'it is acked by now' };
      }
      // Parked messages of the endpoint do not go before this one: they have a queue of their own.
      const permit = await admission.admit(target, { isParkedCopy: true, cannotPark: false });
      // An attempt takes at most half of the ack wait, and must be over before another worker can have the message.
      if (permit.kind === 'noCapacity' || effects.isLeaseValid(message, ackWaitMs() / 2)) return permit;
      const outcome = { kind: 'noCapacity', reason: NOT_HEARD } as const;
      permit.release({ outcome, startedAt: steps.now(), durationMs: 0 });
      return outcome;
    },

    async fanOut(message, fanOut) {
      // Another worker may have made the copies of this message, and those of the next one.
      if (!effects.isLeaseValid(message)) {
        effects.abandon(message);
        return null;
      }
      const tooLarge = await steps.fanOut(message, fanOut);
      for (const endpointKey of tooLarge === null ? fanOut.endpointKeys : [])
        reader.onPublished(copyKey(message.orderingKey!, endpointKey));
      return tooLarge;
    },

    async settle(message, delivery, attempt, verdict) {
      const disposition = await steps.settle(message, delivery, attempt, verdict);
      dispatcher.onSettled(message, disposition);
      return disposition;
    },
  };
}
