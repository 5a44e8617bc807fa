import { ErrorCode, type MsgHdrs, type NatsError } from 'nats';
import { errorCode } from '../../runtime/failure.ts';
import { ApiErrorCode } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { describeDenied } from '../connection/permissions.ts';

/** What became of a message that was to be stored in a stream. */
export type StoreResult =
  /** `duplicate`: the stream had one with this `Nats-Msg-Id` already, and this is its sequence. */
  | { readonly stored: { readonly stream: string; readonly sequence: number; readonly duplicate: boolean } }
  | StoreFailed;

/** `detail`: a sentence for a person. */
export type StoreFailed = { readonly failed: StoreFailure; readonly detail: string };

export type StoreFailure =
  /** No stream carries the subject. */
  | 'noStream'
  /** The stream, or what NATS may store, is full. */
  | 'streamFull'
  | 'tooLarge'
  /** Our user may not publish to the subject. */
  | 'denied'
  /** Not a subject, or not a header, of NATS. */
  | 'invalid'
  /** Refused for a reason of the stream's own. */
  | 'refused'
  /** No confirmation in time: it may be stored or not. Trying again with the same `Nats-Msg-Id` stores it once. */
  | 'timeout';

/** What a stream answers to a message that it was to store. */
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

/** What follows from an answer of the stream that is an error. */
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
  return { failed: 'refused', detail: why };
}

/**
 * What follows from there being no answer.
 *
 * @throws what is no failure of NATS.
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
        detail: `the message to ${subject}, ${message.data.length} bytes and its headers, is larger than NATS takes (${client.connection.info?.max_payload}); raise max_payload in the nats-server configuration`,
      };
    case ErrorCode.PermissionsViolation: {
      const denied = (error as NatsError).permissionContext ?? { operation: 'publish', subject };
      return { failed: 'denied', detail: describeDenied(denied) };
    }
    default:
      throw error;
  }
}

/** What is said of a message that was tried for so long, in milliseconds, without a confirmation. */
export function unconfirmed(subject: string, triedForMs: number): StoreFailed {
  return {
    failed: 'timeout',
    detail: `NATS did not confirm the message to ${subject} within ${triedForMs} ms; it may be stored or not. Where this lasts, see the log of nats-server: a full disk is answered with silence`,
  };
}

/** Nobody answered: because no stream carries the subject, which is told, or because the one that does has no leader now: null. */
export async function whyNotCarried(client: NatsClient, subject: string): Promise<StoreFailed | null> {
  try {
    if ((await client.manager.streams.names(subject).next()).length > 0) return null;
  } catch {
    // Not known: as if it were, so that the message is tried until its time is over.
    return null;
  }
  return {
    failed: 'noStream',
    detail: `no stream carries the subject ${subject}; a worker whose SUBJECT covers it makes one`,
  };
}
