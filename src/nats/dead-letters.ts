import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { NatsError } from 'nats';
import { errorMessage } from '../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode } from './api-error.ts';
import type { NatsClient } from './client.ts';
import { copyHeaders, Header, type HeaderEntries, headerText } from './headers.ts';
import { storeMessage } from './store-message.ts';

const gzipped = promisify(gzip);

/** A delivery that was given up. */
export type DeadLetter = {
  /** Of the stream its message is in, milliseconds since 1970. */
  readonly sourceStreamCreated: number;
  readonly sequence: number;
  /** Null where there was no endpoint to send to. */
  readonly endpointKey: string | null;
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

export type DeadLetterOptions = {
  /** DLQ_STREAM_NAME. */
  readonly streamName: string;
  /** The stream whose dead letters these are. */
  readonly sourceStream: string;
  /** How long a letter is tried while NATS cannot confirm it, in milliseconds. @default 10_000 */
  readonly retryForMs?: number;
};

export interface DeadLetterWriter {
  write(letter: DeadLetter): Promise<DeadLetterWritten>;
}

/**
 * Stores dead letters. The subject holds the place of the message in its stream, and the dead-letter stream keeps one
 * message a subject: so a letter that is written again after a crash is refused, however long ago the first was.
 */
export function createDeadLetterWriter(client: NatsClient, options: DeadLetterOptions): DeadLetterWriter {
  const { streamName, sourceStream, retryForMs = 10_000 } = options;

  async function write(letter: DeadLetter): Promise<DeadLetterWritten> {
    const place = [sourceStream, letter.sourceStreamCreated, letter.sequence];
    const subject = `dlq.${place.join('.')}.${letter.endpointKey ?? 'none'}`;
    const headers = copyHeaders(letter.messageHeaders);
    // Never the delivery's id: that one may be in the window already, from something else.
    headers.set(Header.messageId, place.join(':'));
    headers.set(Header.deliveryId, headerText(letter.deliveryId));
    headers.set(Header.deadLetterReason, letter.reason);
    headers.set(Header.deadLetterDetail, headerText(letter.detail));
    headers.set(Header.deadLetteredAt, new Date(letter.at).toISOString());
    headers.set(Header.attempts, String(letter.attempts));
    headers.set(Header.originalSubject, letter.originalSubject);
    headers.set(Header.originalStream, sourceStream);
    headers.set(Header.originalSequence, String(letter.sequence));
    let result = await storeMessage(client, { subject, data: letter.data, headers }, retryForMs);
    if ('failed' in result && result.failed === 'tooLarge') {
      // The message itself was as large as NATS takes, so there is no room for what we say beside it. Handed back, it
      // would come again for ever.
      headers.set(Header.deadLetterEncoding, 'gzip');
      const data = await gzipped(letter.data);
      result = await storeMessage(client, { subject, data, headers }, retryForMs);
    }
    if ('stored' in result) return result.stored.duplicate ? 'alreadyStored' : 'stored';
    // A full stream and a letter that is there already are answered alike: only a look tells them apart.
    if (result.failed === 'streamFull' && (await holds(subject, letter.deliveryId))) return 'alreadyStored';
    return { failed: `dead letter not stored in ${streamName}: ${result.detail}` };
  }

  async function holds(subject: string, deliveryId: string): Promise<boolean> {
    try {
      const last = await client.manager.streams.getMessage(streamName, { last_by_subj: subject });
      return last.header.get(Header.deliveryId) === headerText(deliveryId);
    } catch (error) {
      if (apiErrorCode(error) !== ApiErrorCode.noMessageFound) {
        client.log.warn(`cannot look up ${subject} in ${streamName}: ${errorMessage(error as NatsError)}`);
      }
      return false;
    }
  }

  return { write };
}
