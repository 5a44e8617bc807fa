import { composeWebhook } from '../core/message/compose.ts';
import { outcomeOfFailure, type RowOutcome } from '../core/outbox/publish-outcome.ts';
import { callHeader, callMessageId } from '../core/records/call-result.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Holds } from './holds.ts';
import type { Batch, BatchRequest, Message, MessagePublisher, WorkQueue } from './ports.ts';

/** The name of a webhook need not be a token of a subject, so all calls have one subject. The message names its row. */
const NAME = 'calls';

type Call = {
  readonly callId: number;
  readonly webhookId: number;
  readonly payload: string;
  readonly retryCount: number;
};

type Answer = {
  readonly callId: number;
  readonly messageId: string;
  readonly subject: string;
  readonly sequence: number | null;
  readonly latencyMs: number | null;
  /** Null: NATS has stored the message. */
  readonly error: string | null;
};

/** The queue of the extension. Calls without an answer stay as they are. */
export interface CallsStore {
  settleCalls(
    modes: readonly string[],
    most: number,
    publish: (calls: readonly Call[]) => Promise<readonly Answer[]>,
  ): Promise<void>;
}

export type CallsQueueOptions = {
  readonly store: CallsStore;
  readonly publisher: MessagePublisher;
  readonly holds: Pick<Holds, 'heldFor'>;
  readonly clock: Clock;
  /** Of this database. */
  readonly installationId: string;
  /** What stands before the name in the subject: `webhooks` for `webhooks.*`. */
  readonly subjectPrefix: string;
  /** Values of `publish_mode` whose calls are published. */
  readonly modes: readonly string[];
};

/** The calls of the Rule Engine extension that wait in PostgreSQL. */
export class CallsQueue implements WorkQueue {
  readonly name = 'calls';
  readonly mostRows = 500;
  readonly #options: CallsQueueOptions;

  constructor(options: CallsQueueOptions) {
    this.#options = options;
  }

  async settleBatch({ most, begin }: BatchRequest): Promise<Batch> {
    const { store, holds, modes } = this.#options;
    const look = begin();
    // Every look reads all calls.
    const isFull = true;
    // An older worker would send a call to every row that its subject matches.
    if (holds.heldFor('directed-message') !== null || holds.heldFor('bare-payload') !== null)
      return { isFull, leavesOut: true, outcomes: [] };
    let outcomes: readonly RowOutcome[] = [];
    await store.settleCalls(modes, Math.min(most, this.mostRows), async (calls) => {
      look.onClaimed(calls.length);
      const settled = await this.#publishAll(calls);
      outcomes = settled.map(({ outcome }) => outcome);
      return settled.flatMap(({ answer }) => (answer === null ? [] : [answer]));
    });
    if (outcomes.length === 0) look.onClaimed(0);
    return { isFull, leavesOut: false, outcomes };
  }

  async #publishAll(calls: readonly Call[]) {
    const { publisher, clock } = this.#options;
    const tried = await Promise.all(
      calls.map(async (call) => {
        const message = this.#messageOf(call);
        if ('invalid' in message) return { call, subject: null, failed: message.invalid };
        const startedAt = clock.now();
        const result = await publisher.publish(message);
        return { call, subject: message.subject, result, latencyMs: clock.now() - startedAt };
      }),
    );
    const isAnyStored = tried.some((each) => each.result !== undefined && 'stored' in each.result);
    return tried.map((each) => {
      const outcome = outcomeOf(each, isAnyStored);
      return { outcome, answer: this.#answerOf(each.call, outcome) };
    });
  }

  #answerOf(call: Call, outcome: RowOutcome): Answer | null {
    if (outcome.kind !== 'published' && outcome.kind !== 'failed') return null;
    const isPublished = outcome.kind === 'published';
    return {
      callId: call.callId,
      messageId: callMessageId({ ...call, installationId: this.#options.installationId }),
      subject: outcome.subject ?? `${this.#options.subjectPrefix}.${NAME}`,
      sequence: isPublished ? outcome.sequence : null,
      latencyMs: isPublished ? outcome.latencyMs : null,
      error: isPublished ? null : outcome.error,
    };
  }

  #messageOf(call: Call): Message | { readonly invalid: string } {
    const id = callMessageId({ ...call, installationId: this.#options.installationId });
    const message = composeWebhook(
      {
        name: NAME,
        body: Buffer.from(call.payload),
        endpointId: call.webhookId,
        callId: callHeader(call),
      },
      { prefix: this.#options.subjectPrefix, messageId: id, deliveryId: id },
    );
    return 'invalid' in message ? { invalid: message.invalid.detail } : message;
  }
}

type Tried =
  | { readonly subject: null; readonly failed: string; readonly result?: undefined }
  | {
      readonly subject: string;
      readonly result: Awaited<ReturnType<MessagePublisher['publish']>>;
      readonly latencyMs: number;
    };

function outcomeOf(tried: Tried, isAnyStored: boolean): RowOutcome {
  if (tried.result === undefined) return { kind: 'failed', subject: null, error: tried.failed };
  const { subject, result, latencyMs } = tried;
  if ('stored' in result) {
    const { sequence, duplicate } = result.stored;
    return { kind: 'published', subject, sequence, duplicate, latencyMs };
  }
  const outcome = outcomeOfFailure(result, subject, isAnyStored);
  // All calls have one subject.
  return outcome.kind === 'left' ? { ...outcome, scope: 'all' } : outcome;
}
