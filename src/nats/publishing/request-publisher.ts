import { ErrorCode, type Msg, type NatsError } from 'nats';
import { OneProbe } from '../../core/capacity/one-probe.ts';
import { isPublishable } from '../../core/subject.ts';
import { errorCode } from '../../runtime/failure.ts';
import type { NatsClient } from '../connection/client.ts';
import { describeDenied } from '../connection/permissions.ts';
import { LONGEST_SUBJECT } from '../streams/copy-subjects.ts';
import { headerBlock } from './header-block.ts';
import { encodedHeaders, isNoResponders, RetryingRequests } from './retrying-requests.ts';
import { classifyReply, type PubAck } from './store-failure.ts';

/** What became of one message. `detail`: a sentence for a person. */
export type PublishOutcome =
  /** `duplicate`: the stream had a message with this `Nats-Msg-Id` already. `sequence` is of that message. */
  | {
      readonly kind: 'stored';
      readonly stream: string;
      readonly sequence: number;
      readonly duplicate: boolean;
    }
  /** The message is surely not in the stream. */
  | { readonly kind: 'notStored'; readonly why: NotStored; readonly detail: string }
  /** The message may be in the stream. The same message with the same `Nats-Msg-Id` is stored only once. */
  | { readonly kind: 'unconfirmed'; readonly detail: string };

export type NotStored =
  /** NATS cannot be reached, or has not answered lately. */
  | 'away'
  /** No stream carries the subject, or the stream has no leader now. */
  | 'noStream'
  | 'streamFull'
  /** So many messages wait for their confirmation that no other may. */
  | 'busy'
  | 'tooLarge'
  /** Our user may not publish to the subject. */
  | 'denied'
  /** The subject or a header is not valid in NATS. */
  | 'invalid'
  /** The stream refuses the message for another reason. */
  | 'refused';

export type RequestPublisherOptions = {
  /** How long a message waits for its confirmation, in milliseconds. */
  readonly confirmWithinMs: number;
  /** How many messages may wait for their confirmation at once. */
  readonly maxInFlight: number;
  /** How many bytes these messages may have together. */
  readonly maxInFlightBytes: number;
};

/**
 * Publishes messages for callers who wait for the answer, and can repeat the message: so it never tries for longer than they wait,
 * and tells them for sure whether the message may be stored. After a confirmation did not come in time, messages are refused at
 * once while one of them asks whether NATS answers again.
 */
export class RequestPublisher {
  readonly #client: NatsClient;
  readonly #options: RequestPublisherOptions;
  readonly #requests: RetryingRequests;
  readonly #silence = new OneProbe();
  #inFlight = 0;
  #inFlightBytes = 0;

  constructor(client: NatsClient, options: RequestPublisherOptions) {
    this.#client = client;
    this.#options = options;
    this.#requests = new RetryingRequests(client);
  }

  /** Why messages are refused now, in a few words; null if they are not. */
  get problem(): string | null {
    if (!this.#client.isConnected()) return 'not connected';
    return this.#silence.isOpen ? 'no confirmation in time' : null;
  }

  /** How many messages wait for their confirmation. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Never rejects. `headers` must hold a `Nats-Msg-Id`, so that a repetition stores nothing twice. */
  publish(
    subject: string,
    data: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishOutcome> {
    const refusal = this.#refusal(subject, data.length);
    if (refusal !== null) return Promise.resolve(refusal);
    const block = headerBlock(headers);
    if (block === null)
      return Promise.resolve(notStored('invalid', 'a header of the message is not valid in NATS'));
    if (!this.#silence.admit())
      return Promise.resolve(
        notStored('away', 'NATS has not confirmed the messages before this one in time'),
      );
    return this.#send(subject, data, block);
  }

  /** Resolves with true when every message has its outcome, or with false after `timeoutMs`. */
  flush(timeoutMs: number): Promise<boolean> {
    return this.#requests.flush(timeoutMs);
  }

  stop(): void {
    this.#requests.stop();
  }

  #refusal(subject: string, bytes: number): PublishOutcome | null {
    const { maxInFlight, maxInFlightBytes } = this.#options;
    if (!isPublishable(subject) || Buffer.byteLength(subject) > LONGEST_SUBJECT)
      return notStored('invalid', 'the subject of the message is not valid in NATS, or too long');
    if (!this.#client.isConnected()) return notStored('away', 'NATS cannot be reached');
    if (this.#inFlight >= maxInFlight || this.#inFlightBytes + bytes > maxInFlightBytes)
      return notStored('busy', 'too many messages wait for their confirmation by NATS');
    return null;
  }

  #send(subject: string, data: Uint8Array, block: Uint8Array): Promise<PublishOutcome> {
    const givesUpAt = performance.now() + this.#options.confirmWithinMs;
    this.#inFlight += 1;
    this.#inFlightBytes += data.length;
    return new Promise((resolve) => {
      const end = (outcome: PublishOutcome) => {
        this.#inFlight -= 1;
        this.#inFlightBytes -= data.length;
        resolve(outcome);
      };
      this.#requests.send({
        subject,
        data,
        headers: encodedHeaders(block),
        isExpired: (now) => now >= givesUpAt,
        onReply: (answer, timesSent) => {
          this.#silence.answered();
          end(ofSeveralTries(outcomeOf(answer, subject), timesSent));
          return null;
        },
        onFailure: (error, timesSent) => {
          const outcome = this.#failureOf(error, subject, data.length);
          if (errorCode(error) === ErrorCode.Timeout && timesSent > 0) this.#silence.silent();
          else this.#silence.withdrawn();
          end(
            timesSent === 0 && outcome.kind === 'unconfirmed'
              ? NOTHING_SENT
              : ofSeveralTries(outcome, timesSent),
          );
        },
      });
    });
  }

  #failureOf(error: unknown, subject: string, bytes: number): PublishOutcome {
    switch (errorCode(error)) {
      case ErrorCode.MaxPayloadExceeded: {
        const limit = this.#client.connection.info?.max_payload;
        return notStored(
          'tooLarge',
          `the message has ${bytes} bytes; with its headers it is larger than NATS allows (max_payload, ${limit})`,
        );
      }
      case ErrorCode.PermissionsViolation: {
        const denied = (error as NatsError).permissionContext ?? { operation: 'publish', subject };
        return notStored('denied', describeDenied(denied));
      }
      default:
        return { kind: 'unconfirmed', detail: 'NATS did not confirm the message in time' };
    }
  }
}

const NOTHING_SENT = notStored('away', 'NATS cannot be reached');

function notStored(why: NotStored, detail: string): PublishOutcome & { kind: 'notStored' } {
  return { kind: 'notStored', why, detail };
}

/** A refusal tells only of the last try: an earlier one may be stored. */
function ofSeveralTries(outcome: PublishOutcome, timesSent: number): PublishOutcome {
  if (timesSent < 2 || outcome.kind !== 'notStored') return outcome;
  return {
    kind: 'unconfirmed',
    detail: `the connection to NATS broke before the confirmation, and then ${outcome.detail}`,
  };
}

function outcomeOf(answer: Msg, subject: string): PublishOutcome {
  if (isNoResponders(answer))
    return notStored('noStream', `no stream of NATS carries ${subject}, or the stream has no leader now`);
  const ack = parsed(answer);
  if (ack === null)
    return { kind: 'unconfirmed', detail: 'the answer to the message is no confirmation of a stream' };
  const { error, stream, seq, duplicate = false } = ack;
  if (error === undefined) return { kind: 'stored', stream, sequence: seq, duplicate };
  const failure = classifyReply(subject, error);
  if (failure === 'again')
    return notStored('noStream', `the stream cannot take the message now: ${error.description}`);
  const why = failure.failed === 'timeout' ? 'refused' : failure.failed;
  return notStored(why, failure.detail);
}

/** Null for an answer of another program that subscribes to the subject, and answers. */
function parsed(answer: Msg): PubAck | null {
  try {
    const ack = answer.json<PubAck>();
    return ack.error !== undefined || (typeof ack.stream === 'string' && typeof ack.seq === 'number')
      ? ack
      : null;
  } catch {
    return null;
  }
}
