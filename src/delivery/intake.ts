import { waitOfEarlyCopy } from '../core/scheduled-queue.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { type DeliverySteps, handleMessage } from './handle-message.ts';
import type { Message } from './message.ts';
import type { OrderedDispatcher, OrderedMessage } from './ordered/ordered-dispatcher.ts';
import type { ParkedSlotShare } from './parked/parked-share.ts';
import type { SettlementEffects } from './settler.ts';
import type { Slots } from './slots.ts';
import { withoutSlot } from './steps.ts';

/**
 * How long a message waits after a bug of the worker, in milliseconds. Below 5 s, the log and the endpoint
 * would be flooded; above it, a message that met a rare bug would be late.
 */
const INTERNAL_ERROR_DELAY_MS = 5000;
const BUG = 'This is a bug of the worker: please report it. The worker keeps the message and tries again.';

export type IntakeOptions<M extends Message & OrderedMessage> = {
  readonly effects: Pick<SettlementEffects<M>, 'nak'> & { hold(message: M): void };
  readonly slots: Slots;
  readonly steps: DeliverySteps<M>;
  readonly orderedSteps: DeliverySteps<M>;
  readonly dispatcher: Pick<OrderedDispatcher<M>, 'onMessage' | 'onFinished'>;
  readonly share: Pick<ParkedSlotShare, 'started' | 'finished'>;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  now(): number;
};

/**
 * The sink of all sources: takes a lease on each message, then gives the message a slot, or passes it to the ordered
 * dispatcher.
 */
export class Intake<M extends Message & OrderedMessage> {
  readonly #options: IntakeOptions<M>;
  readonly #stepsWithoutSlot: DeliverySteps<M>;

  constructor(options: IntakeOptions<M>) {
    this.#options = options;
    this.#stepsWithoutSlot = withoutSlot(options.steps);
  }

  /** Called for each message of a source. */
  readonly onMessage = (message: M): void => {
    const { effects, now } = this.#options;
    // A message that comes before its time is only nak'd until then.
    if (message.isFirstDeliveryOfDelayed) {
      const { storedAt, parkedEndpointKey } = message;
      const isScheduled = message.isParkedCopy && parkedEndpointKey === null;
      effects.nak(message, waitOfEarlyCopy({ notBefore: message.notBefore!, storedAt, isScheduled }, now()));
      return;
    }
    effects.hold(message);
    void this.proceed(message);
  };

  /** Processes a message that is held already. Resolves when it is done, or when the ordered dispatcher has it. */
  readonly proceed = async (message: M): Promise<void> => {
    const { slots, dispatcher } = this.#options;
    if (message.orderingKey !== null) dispatcher.onMessage(message);
    else if (slots.free() > 0) await this.runInSlot(message);
    else await this.#handle(message, this.#stepsWithoutSlot);
  };

  /** Processes a message in a slot. */
  readonly runInSlot = (message: M): Promise<void> => {
    const { slots, steps, orderedSteps, dispatcher, share } = this.#options;
    return slots.run(async () => {
      if (message.isParkedCopy) share.started();
      await this.#handle(message, message.orderingKey === null ? steps : orderedSteps);
      if (message.isParkedCopy) share.finished();
      if (message.orderingKey !== null) dispatcher.onFinished(message);
    });
  };

  async #handle(message: M, steps: DeliverySteps<M>): Promise<void> {
    try {
      await handleMessage(message, steps);
    } catch (error) {
      const { effects, log } = this.#options;
      const stack = error instanceof Error ? error.stack : undefined;
      const about = { error: errorMessage(error), stack, sequence: message.sequence };
      log.error({ ...about, hint: BUG }, 'delivery.internal_error');
      effects.nak(message, INTERNAL_ERROR_DELAY_MS);
    }
  }
}
