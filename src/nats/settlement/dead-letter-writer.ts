import { headers, type MsgHdrs, type NatsError } from 'nats';
import { Header } from '../../core/message/nats-headers.ts';
import { errorMessage } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { copyHeaders, type HeaderEntries, headerText } from '../messages/headers.ts';
import type { MessageToStore, StoreResult } from '../publishing/store-failure.ts';
import { createMessageStore } from '../publishing/store-message.ts';
import { type CopyOwner, groupPrefix } from '../streams/copy-subjects.ts';
import { storeInChunks } from './chunked-dead-letter.ts';

/** A delivery that was given up. */
export type DeadLetter = {
  /** The stream of ordered webhooks, if the message is in that stream; null: the message is in the source stream. */
  readonly orderedStream: string | null;
  /** When the stream of the message was created, in milliseconds since 1970. */
  readonly sourceStreamCreatedAt: number;
  readonly sequence: number;
  /** `none` if there was no endpoint to send to. */
  readonly endpointKey: string;
  /** `webhook_id` of the row of `rule_webhooks`; null: there is none, or it is not known. */
  readonly webhookId: number | null;
  readonly deliveryId: string;
  readonly reason: string;
  /** What went wrong, for a person. */
  readonly detail: string;
  /** Attempts made. */
  readonly attempts: number;
  readonly originalSubject: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** All NATS headers of the message. */
  readonly messageHeaders: HeaderEntries;
  readonly data: Uint8Array;
};

export type DeadLetterWritten =
  | 'stored'
  /** An earlier try stored the dead letter, and a crash or a lost connection hid the result. */
  | 'alreadyStored'
  /** Not stored: the message must not be ended. A sentence with the cure, for the log and for /health. */
  | { readonly failed: string };

const KEPT =
  'The worker cannot see whether this dead letter is stored already. The worker keeps the message and tries again.';

export type DeadLetterOptions = {
  /** DLQ_STREAM_NAME. */
  readonly streamName: string;
  /** Whose dead letters these are. */
  readonly owner: CopyOwner;
  /**
   * How long a dead letter is sent again while NATS does not confirm it, in milliseconds. After it, the write fails, and the
   * message is tried again later. @default 10_000
   */
  readonly retryForMs?: number;
};

export interface DeadLetterWriter {
  write(deadLetter: DeadLetter): Promise<DeadLetterWritten>;
}

/**
 * Stores dead letters. The subject contains the position of the message in its stream, and the dead-letter stream keeps one
 * message per subject. So a dead letter that is written again after a crash is refused, however old the first one is.
 */
export function createDeadLetterWriter(client: NatsClient, options: DeadLetterOptions): DeadLetterWriter {
  const { streamName, owner, retryForMs = 10_000 } = options;
  const { sourceStream } = owner;
  const storeMessage = createMessageStore(client, { retryForMs });

  async function write(deadLetter: DeadLetter): Promise<DeadLetterWritten> {
    const subject = `${prefixOf(deadLetter)}.${positionOf(deadLetter).join('.')}.${keyOf(deadLetter)}`;
    const whole = {
      subject,
      data: deadLetter.data,
      headers: describe(deadLetter, copyHeaders(deadLetter.messageHeaders)),
    };
    let result = await store(whole);
    if ('failed' in result && result.failed === 'tooLarge') {
      const withoutData = { subject, data: new Uint8Array(), headers: describe(deadLetter, headers()) };
      result = await storeInChunks(
        client,
        withoutData,
        { headers: deadLetter.messageHeaders, data: deadLetter.data },
        store,
      );
    }
    if ('stored' in result) return result.stored.duplicate ? 'alreadyStored' : 'stored';
    return { failed: `dead letter not stored in ${streamName}: ${result.detail}` };
  }

  function positionOf({ orderedStream, sourceStreamCreatedAt, sequence }: DeadLetter) {
    return [orderedStream ?? sourceStream, sourceStreamCreatedAt, sequence];
  }

  function keyOf({ endpointKey }: DeadLetter) {
    return groupPrefix(owner.group) + endpointKey;
  }

  /**
   * Dead letters of ordered webhooks are in the same stream. Their subject has one more token, so that no two dead letters are
   * confused.
   */
  function prefixOf({ orderedStream }: DeadLetter) {
    return orderedStream === null ? 'dlq' : `dlq.${sourceStream}`;
  }

  function describe(deadLetter: DeadLetter, on: MsgHdrs): MsgHdrs {
    // Never the delivery id: the duplicate window may contain that id already, from another message.
    on.set(Header.messageId, [...positionOf(deadLetter), keyOf(deadLetter)].join(':'));
    on.set(Header.deliveryId, headerText(deadLetter.deliveryId));
    on.set(Header.deadLetterReason, deadLetter.reason);
    on.set(Header.deadLetterDetail, headerText(deadLetter.detail));
    on.set(Header.deadLetteredAt, new Date(deadLetter.at).toISOString());
    on.set(Header.attempts, String(deadLetter.attempts));
    on.set(Header.originalSubject, deadLetter.originalSubject);
    on.set(Header.originalStream, deadLetter.orderedStream ?? sourceStream);
    on.set(Header.originalSequence, String(deadLetter.sequence));
    const row = deadLetter.webhookId ?? rowOfPublisher(deadLetter.messageHeaders);
    if (row !== undefined) on.set(Header.webhookId, String(row));
    return on;
  }

  /** Without it, a replay of a message that never came to its row would go to other rows. */
  function rowOfPublisher(entries: HeaderEntries): string | undefined {
    const found = entries.find(([name]) => name.toLowerCase() === Header.webhookId.toLowerCase());
    return found === undefined ? undefined : headerText(found[1][0]!);
  }

  async function store(message: MessageToStore): Promise<StoreResult> {
    const result = await storeMessage(message);
    // The server gives the same error for a full stream and for a stored dead letter. Only the stored message tells which it is.
    if ('stored' in result || result.failed !== 'streamFull' || !(await isStored(message))) return result;
    return { stored: { stream: streamName, sequence: 0, duplicate: true } };
  }

  async function isStored({ subject, headers }: MessageToStore): Promise<boolean> {
    try {
      const last = await client.manager.streams.getMessage(streamName, { last_by_subj: subject });
      return last.header.get(Header.deliveryId) === headers.get(Header.deliveryId);
    } catch (error) {
      if (apiErrorCode(error) !== ApiErrorCode.noMessageFound) {
        const why = errorMessage(error as NatsError);
        client.log.warn({ stream: streamName, subject, error: why, hint: KEPT }, 'dead_letter.lookup_failed');
      }
      return false;
    }
  }

  return { write };
}
