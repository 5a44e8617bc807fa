import { composeWebhook } from '../core/message/compose.ts';
import { idsOf, type OutboxRow, partsOf } from '../core/outbox/outbox-row.ts';
import { outcomeOfFailure, type PublishResult, type RowOutcome } from '../core/outbox/publish-outcome.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Look, Message, MessagePublisher, PublishRows } from './ports.ts';

/** What NATS said of the message of a row; or why there is no message. */
type Answer =
  | { readonly subject: string; readonly result: PublishResult; readonly latencyMs: number }
  | { readonly invalid: string };

export type PublishOptions = {
  readonly publisher: MessagePublisher;
  readonly clock: Clock;
  /** Of this database. */
  readonly installationId: string;
  /** What stands before the name in the subject: `webhooks` for `webhooks.*`. */
  readonly subjectPrefix: string;
};

/** Publishes all rows at once: rows without an ordering key. */
export function publishAtOnce(options: PublishOptions): PublishRows {
  return async (rows) => {
    const answers = await Promise.all(rows.map((row) => publishRow(options, row)));
    const isAnyStored = answers.some(isStored);
    return answers.map((answer) => outcomeOf(answer, isAnyStored));
  };
}

/**
 * Publishes the rows of each ordering key one after the other, and the keys at once. With two messages of a key in flight, a stream
 * that is full for a moment would store the second one first. A row that NATS does not take now ends its key for this batch; a row
 * that NATS never takes does not.
 *
 * @param sliceMs After so long, no further message of the batch is begun, in milliseconds, so that the rows of other keys that came
 *   meanwhile do not wait for one long key.
 */
export function publishInOrder(options: PublishOptions, sliceMs: number): PublishRows {
  const { clock } = options;
  return async (rows) => {
    const endsAt = clock.now() + sliceMs;
    const outcomes = new Map<OutboxRow, RowOutcome>();
    let isAnyStored = false;

    async function publishKey(ofKey: readonly OutboxRow[]): Promise<void> {
      for (const [index, row] of ofKey.entries()) {
        // The first one is always begun: a slow NATS must not stop the key. The clock also runs while this process is stopped.
        if (index > 0 && clock.now() >= endsAt) return;
        const answer = await publishRow(options, row);
        isAnyStored ||= isStored(answer);
        const outcome = outcomeOf(answer, isAnyStored);
        outcomes.set(row, outcome);
        if (outcome.kind === 'left') return;
      }
    }

    await Promise.all(byKey(rows).map(publishKey));
    return rows.map((row) => outcomes.get(row) ?? { kind: 'notTried' });
  };
}

/** `publish`, and `onClaimed` of the look before it. */
export function noted(publish: PublishRows, look: Look): PublishRows {
  return (rows) => {
    look.onClaimed(rows.length);
    return publish(rows);
  };
}

function byKey(rows: readonly OutboxRow[]): readonly (readonly OutboxRow[])[] {
  const keys = new Map<string | null, OutboxRow[]>();
  for (const row of rows) {
    const known = keys.get(row.orderingKey);
    if (known === undefined) keys.set(row.orderingKey, [row]);
    else known.push(row);
  }
  return [...keys.values()];
}

async function publishRow(options: PublishOptions, row: OutboxRow): Promise<Answer> {
  const { publisher, clock } = options;
  const message = messageOf(row, options);
  if ('invalid' in message) return message;
  const startedAt = clock.now();
  const result = await publisher.publish(message);
  return { subject: message.subject, result, latencyMs: clock.now() - startedAt };
}

function messageOf(
  row: OutboxRow,
  { installationId, subjectPrefix }: PublishOptions,
): Message | { readonly invalid: string } {
  const message = composeWebhook(partsOf(row), { prefix: subjectPrefix, ...idsOf(row, installationId) });
  if (!('invalid' in message)) return message;
  const { pointer, detail } = message.invalid;
  return { invalid: `${pointer.slice(1)}: ${detail}` };
}

function isStored(answer: Answer): boolean {
  return 'result' in answer && 'stored' in answer.result;
}

function outcomeOf(answer: Answer, isAnyStored: boolean): RowOutcome {
  if ('invalid' in answer) return { kind: 'failed', subject: null, error: answer.invalid };
  const { subject, result, latencyMs } = answer;
  if ('failed' in result) return outcomeOfFailure(result, subject, isAnyStored);
  const { sequence, duplicate } = result.stored;
  return { kind: 'published', subject, sequence, duplicate, latencyMs };
}
