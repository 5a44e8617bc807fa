import { headers, type MsgHdrs, type NatsError } from 'nats';
import { Header } from '../../core/message/nats-headers.ts';
import { errorMessage } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { copyHeaders, type HeaderEntries, headerText } from '../messages/headers.ts';
import type { MessageToStore, StoreResult } from '../publishing/store-failure.ts';
import { createMessageStore } from '../publishing/store-message.ts';
import { storeInChunks } from './chunked-dead-letter.ts';

/** A delivery that was given up. */
export type DeadLetter = {
  /** The stream of ordered webhooks, where its message is in that one; null: it is in the source stream. */
  readonly orderedStream: string | null;
  /** Of the stream its message is in, milliseconds since 1970. */
  readonly sourceStreamCreatedAt: number;
  readonly sequence: number;
  /** `none` where there was no endpoint to send to. */
  readonly endpointKey: string;
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
  /** An earlier try stored it, and a crash or a broken link kept us from knowing. */
  | 'alreadyStored'
  /** Not stored: the message must not be ended. A sentence with the cure, for the log and for health. */
  | { readonly failed: string };

const KEPT =
  'The worker cannot see whether this dead letter is stored already. The worker keeps the message and tries again.';

export type DeadLetterOptions = {
  /** DLQ_STREAM_NAME. */
  readonly streamName: string;
  /** The stream whose dead letters these are. */
  readonly sourceStream: string;
  /** How long a letter is tried while NATS cannot confirm it, in milliseconds. @default 10_000 */
  readonly retryForMs?: number;
};

export interface DeadLetterWriter {
  write(deadLetter: DeadLetter): Promise<DeadLetterWritten>;
}

/**
 * Stores dead letters. The subject holds the place of the message in its stream, and the dead-letter stream keeps one
 * message a subject: so a letter that is written again after a crash is refused, however long ago the first was.
 */
export function createDeadLetterWriter(client: NatsClient, options: DeadLetterOptions): DeadLetterWriter {
  const { streamName, sourceStream, retryForMs = 10_000 } = options;
  const storeMessage = createMessageStore(client, { retryForMs });

  async function write(deadLetter: DeadLetter): Promise<DeadLetterWritten> {
    const subject = `${prefixOf(deadLetter)}.${placeOf(deadLetter).join('.')}.${deadLetter.endpointKey}`;
    const whole = {
      subject,
      data: deadLetter.data,
      headers: describe(deadLetter, copyHeaders(deadLetter.messageHeaders)),
    };
    let result = await store(whole);
    if ('failed' in result && result.failed === 'tooLarge') {
      const bare = { subject, data: new Uint8Array(), headers: describe(deadLetter, headers()) };
      result = await storeInChunks(
        client,
        bare,
        { headers: deadLetter.messageHeaders, data: deadLetter.data },
        store,
      );
    }
    if ('stored' in result) return result.stored.duplicate ? 'alreadyStored' : 'stored';
    return { failed: `dead letter not stored in ${streamName}: ${result.detail}` };
  }

  function placeOf({ orderedStream, sourceStreamCreatedAt, sequence }: DeadLetter) {
    return [orderedStream ?? sourceStream, sourceStreamCreatedAt, sequence];
  }

  /** Letters of ordered webhooks are kept with the others, and have a token more, so that none is ever taken for another. */
  function prefixOf({ orderedStream }: DeadLetter) {
    return orderedStream === null ? 'dlq' : `dlq.${sourceStream}`;
  }

  function describe(deadLetter: DeadLetter, on: MsgHdrs): MsgHdrs {
    // Never the delivery's id: that one may be in the window already, from something else.
    on.set(Header.messageId, [...placeOf(deadLetter), deadLetter.endpointKey].join(':'));
    on.set(Header.deliveryId, headerText(deadLetter.deliveryId));
    on.set(Header.deadLetterReason, deadLetter.reason);
    on.set(Header.deadLetterDetail, headerText(deadLetter.detail));
    on.set(Header.deadLetteredAt, new Date(deadLetter.at).toISOString());
    on.set(Header.attempts, String(deadLetter.attempts));
    on.set(Header.originalSubject, deadLetter.originalSubject);
    on.set(Header.originalStream, deadLetter.orderedStream ?? sourceStream);
    on.set(Header.originalSequence, String(deadLetter.sequence));
    return on;
  }

  async function store(message: MessageToStore): Promise<StoreResult> {
    const result = await storeMessage(message);
    // A full stream and a letter that is there already are answered alike: only a look tells them apart.
    if ('stored' in result || result.failed !== 'streamFull' || !(await holds(message))) return result;
    return { stored: { stream: streamName, sequence: 0, duplicate: true } };
  }

  async function holds({ subject, headers }: MessageToStore): Promise<boolean> {
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
