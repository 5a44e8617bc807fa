import type { Msg } from 'nats';
import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import type { NatsClient } from '../connection/client.ts';
import { LONGEST_SUBJECT } from '../streams/copy-subjects.ts';
import { isNoResponders, RetryingRequests } from './retrying-requests.ts';
import {
  classifyNoReply,
  classifyReply,
  type MessageToStore,
  type PubAck,
  type StoreFailed,
  type StoreResult,
  unconfirmed,
  whyNotCarried,
} from './store-failure.ts';

/** Delays between two tries of a message that the stream cannot take now. */
const BACKOFF: BackoffOptions = { initialMs: 50, maxMs: 1000 };
/** How long the answer holds that no stream carries a subject, in milliseconds. Thousands of messages may need it at once. */
const ABSENCE_LASTS_MS = 1000;

export type MessageStoreOptions = {
  /** How long a message is tried while NATS cannot confirm it, in milliseconds. */
  readonly retryForMs: number;
  /** Named in errors in place of each message's own subject, so that one problem is one sentence. @default its own subject */
  readonly subjects?: string;
  /** Sends the messages. @default requests of its own */
  readonly requests?: RetryingRequests;
};

/**
 * Stores a message in the stream that carries its subject. Resolves with the confirmation, or when it is clear that there will be
 * none. During elections, restarts and broken connections it retries, for at most `retryForMs`. The message must have a
 * `Nats-Msg-Id`, so that all tries store one message. Rejects only if the client is closed, or has a bug.
 */
export type StoreMessage = (message: MessageToStore) => Promise<StoreResult>;

/** The one way to store messages: of publishers, of dead letters and of parked copies. */
export function createMessageStore(client: NatsClient, options: MessageStoreOptions): StoreMessage {
  const { retryForMs, subjects, requests = new RetryingRequests(client) } = options;
  const absences = new Map<
    string,
    { readonly failure: Promise<StoreFailed | null>; readonly until: number }
  >();

  /** Nobody listens: no stream, or one without a leader? One look tells it for all. */
  function absenceOf(subject: string): Promise<StoreFailed | null> {
    const now = performance.now();
    for (const [known, { until }] of absences) if (now >= until) absences.delete(known);
    const known = absences.get(subject);
    if (known !== undefined) return known.failure;
    const failure = whyNotCarried(client, subject);
    absences.set(subject, { failure, until: now + ABSENCE_LASTS_MS });
    return failure;
  }

  return ({ subject, data, headers }) =>
    new Promise((resolve, reject) => {
      if (Buffer.byteLength(subject) > LONGEST_SUBJECT) return resolve(subjectTooLong(subject));
      const named = subjects ?? subject;
      const givesUpAt = performance.now() + retryForMs;
      let refusals = 0;
      const cancel = requests.send({
        subject,
        data,
        headers,
        isExpired: (now) => now >= givesUpAt,
        onReply(answer) {
          try {
            const result = isNoResponders(answer) ? 'nobody' : resultOf(answer, named);
            if (result === 'nobody') void absenceOf(named).then(giveUp);
            else if (result !== 'again') {
              resolve(result);
              return null;
            }
          } catch (error) {
            reject(error);
            return null;
          }
          refusals += 1;
          return backoff(BACKOFF, refusals);
        },
        onFailure(error) {
          try {
            const result = classifyNoReply(client, { subject: named, data }, error);
            resolve(result === 'again' ? unconfirmed(named, retryForMs) : result);
          } catch (cause) {
            reject(cause);
          }
        },
      });

      function giveUp(failure: StoreFailed | null): void {
        if (failure === null) return;
        cancel();
        resolve(failure);
      }
    });
}

/** Never sent: nats-server would close the connection. */
function subjectTooLong(subject: string): StoreFailed {
  const detail = `the subject ${subject.slice(0, 60)}… has ${Buffer.byteLength(subject)} bytes; the limit is ${LONGEST_SUBJECT}`;
  return { failed: 'invalid', detail };
}

function resultOf(answer: Msg, subject: string): StoreResult | 'again' {
  const ack = answer.json<PubAck>();
  if (ack.error !== undefined) return classifyReply(subject, ack.error);
  return { stored: { stream: ack.stream, sequence: ack.seq, duplicate: ack.duplicate ?? false } };
}
