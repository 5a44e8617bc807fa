import { ErrorCode, type MsgHdrs, type NatsError } from 'nats';
import { errorCode } from '../../runtime/failure.ts';
import { ApiErrorCode } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { describeDenied } from '../connection/permissions.ts';

/** The result of storing a message in a stream. */
export type StoreResult =
  /** `duplicate`: the stream had a message with this `Nats-Msg-Id` already. `sequence` is of that message. */
  | { readonly stored: { readonly stream: string; readonly sequence: number; readonly duplicate: boolean } }
  | StoreFailed;

/** `detail`: a sentence for a person. */
export type StoreFailed = { readonly failed: StoreFailure; readonly detail: string };

export type StoreFailure =
  /** No stream carries the subject. */
  | 'noStream'
  /** The stream or the storage of NATS is full. */
  | 'streamFull'
  | 'tooLarge'
  /** Our user may not publish to the subject. */
  | 'denied'
  /** The subject or a header is not valid in NATS. */
  | 'invalid'
  /** The stream refuses the message for another reason. */
  | 'refused'
  /** No confirmation in time: the message may or may not be stored. A retry with the same `Nats-Msg-Id` stores it only once. */
  | 'timeout';

/** The reply of a stream to a message that it should store. */
export type PubAck = {
  readonly stream: string;
  readonly seq: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code: number; readonly description: string };
};

export type MessageToStore = {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
};

const FULL = new Set<number>([
  ApiErrorCode.streamStoreFailed,
  ApiErrorCode.accountResourcesExceeded,
  ApiErrorCode.insufficientResources,
  ApiErrorCode.storageResourcesExceeded,
]);
const TRY_AGAIN = new Set<number>([
  ApiErrorCode.clusterNotAvailable,
  ApiErrorCode.streamOffline,
  ApiErrorCode.tooManyRequests,
]);

/** Decides what follows from an error reply of the stream. */
export function classifyReply(
  subject: string,
  { err_code: code, description }: { readonly err_code: number; readonly description: string },
): StoreFailed | 'again' {
  if (TRY_AGAIN.has(code)) return 'again';
  const why = `the stream refuses the message to ${subject}: ${description} (${code})`;
  if (FULL.has(code)) {
    return {
      failed: 'streamFull',
      detail: `${why}; deliver or remove messages, or raise its limits with \`nats stream edit\``,
    };
  }
  if (code === ApiErrorCode.messageExceedsMaximum) {
    return { failed: 'tooLarge', detail: `${why}; raise its max_msg_size with \`nats stream edit\`` };
  }
  if (code === ApiErrorCode.headerExceedsMaximum) return { failed: 'tooLarge', detail: why };
  return { failed: 'refused', detail: why };
}

/**
 * Decides what follows if there is no reply of a stream.
 *
 * @throws an error that does not come from NATS.
 */
export function classifyNoReply(
  client: NatsClient,
  message: Pick<MessageToStore, 'subject' | 'data'>,
  error: unknown,
): StoreFailed | 'again' {
  const { subject } = message;
  switch (errorCode(error)) {
    case ErrorCode.Timeout:
    case ErrorCode.Disconnect:
      return 'again';
    case ErrorCode.MaxPayloadExceeded:
      return {
        failed: 'tooLarge',
        detail: `the message to ${subject}, ${message.data.length} bytes and its headers, is larger than NATS allows (${client.connection.info?.max_payload}); raise max_payload in the nats-server configuration`,
      };
    case ErrorCode.PermissionsViolation: {
      const denied = (error as NatsError).permissionContext ?? { operation: 'publish', subject };
      return { failed: 'denied', detail: describeDenied(denied) };
    }
    default:
      throw error;
  }
}

/** The result for a message that NATS did not confirm within this time, in milliseconds. */
export function unconfirmed(subject: string, triedForMs: number): StoreFailed {
  return {
    failed: 'timeout',
    detail: `NATS did not confirm the message to ${subject} within ${triedForMs} ms; the message may or may not be stored. If this lasts, look at the log of nats-server: with a full disk, nats-server sends no answer`,
  };
}

/** Tells why no stream answered: false if no stream carries the subject, true if a stream does and has no leader now. */
export async function whyNotCarried(client: NatsClient, subject: string): Promise<StoreFailed | null> {
  try {
    if ((await client.manager.streams.names(subject).next()).length > 0) return null;
  } catch {
    // Unknown: the answer true makes the caller retry the message until its time is over.
    return null;
  }
  return {
    failed: 'noStream',
    detail: `no stream carries the subject ${subject}; a worker whose SUBJECT covers it makes one`,
  };
}
