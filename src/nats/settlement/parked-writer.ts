import { ErrorCode, NatsError } from 'nats';
import { failpoint } from '../../runtime/failpoint.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import { isNoResponders, RetryingRequests } from '../publishing/retrying-requests.ts';
import {
  classifyNoReply,
  classifyReply,
  type PubAck,
  type StoreFailure,
  type StoreResult,
  unconfirmed,
} from '../publishing/store-failure.ts';
import { orderedCopySubject, parkedSubject } from '../streams/copy-subjects.ts';
import { ByteBudget, type ParkResult } from './copy-budget.ts';
import { type CopyHeaders, copyHeaderBlock } from './copy-headers.ts';
import { StoreProblem } from './parked-writer-status.ts';

export type ParkedWriterOptions = {
  /** PARKED_STREAM_NAME. */
  readonly streamName: string;
  /** The stream whose messages are parked. */
  readonly sourceStream: string;
  /** Whether the stream that handed it out was made again meanwhile: the server would take our ack for one of another message. */
  readonly isGone?: (message: ReceivedMessage) => boolean;
  /** How long a copy is tried while NATS cannot confirm it, in milliseconds. @default 10_000 */
  readonly retryForMs?: number;
};

export interface ParkedWriter {
  /**
   * Copies a message into the parked stream, for one endpoint or several; an ordered one into the stream of ordered webhooks.
   * Once all copies are stored, its source is acked, until the server confirms it.
   */
  park(message: ReceivedMessage, ...parkings: readonly CopyHeaders[]): Promise<ParkResult>;
  /** Whether its copy, headers and all, is not larger than NATS takes. */
  fits(message: ReceivedMessage): boolean;
  /** Why copies cannot be stored, for health; null while they can. */
  problem(): string | null;
  /** Resolves when everything said so far is confirmed, or `timeoutMs` went by: then false. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Parks that are under way fail. */
  stop(): void;
}

const ACK = Buffer.from('+ACK');

/** What a copy is larger than its message, in bytes, by our headers; a copy of a copy has about as many as that one. */
const HEADERS_BYTES = { atMost: 2048, ofCopy: 256 };

/** Wait before a copy is sent again that the stream could not take just now, in milliseconds. */
const RETRY_MS = 250;
const ACK_RETRY_MS = 2000;

/** Then its durable is gone for good. What it hands out again meanwhile is parked with the same `Nats-Msg-Id`, and so is one. */
const MAX_ACKS = 30;

const copying = failpoint('parking.copying');
const copied = failpoint('parking.copied');
const moved = failpoint('parking.moved');

type Failed = Extract<StoreResult, { failed: StoreFailure }>;

export function createParkedWriter(client: NatsClient, options: ParkedWriterOptions): ParkedWriter {
  const { streamName, sourceStream, isGone = () => false, retryForMs = 10_000 } = options;
  const requests = new RetryingRequests(client);
  const problem = new StoreProblem(client.log, streamName);
  /** Named in place of each subject, so that one trouble is one sentence. */
  const subjects = parkedSubject(sourceStream, '>');
  let absence: { readonly failed: Failed | null; readonly until: number } | null = null;
  let looking = false;
  const storedFor = new WeakMap<ReceivedMessage, Set<string>>();
  const budget = new ByteBudget();

  async function park(message: ReceivedMessage, ...copies: readonly CopyHeaders[]): Promise<ParkResult> {
    copying();
    const [only] = copies;
    const result =
      only !== undefined && copies.length === 1
        ? await storeOnce(message, only)
        : await storeAll(message, copies);
    if (result === 'parked') ackSource(message);
    return result;
  }

  async function storeAll(message: ReceivedMessage, copies: readonly CopyHeaders[]): Promise<ParkResult> {
    const bytes = message.size + HEADERS_BYTES.ofCopy;
    const underWay = new Set<Promise<void>>();
    let result: ParkResult = 'parked';
    for (const copy of copies) {
      const failed = await budget.acquire(bytes);
      if (failed === null) {
        const storing = storeOnce(message, copy).then((stored) => {
          underWay.delete(storing);
          if (stored !== 'parked') result = stored;
          budget.release(bytes, stored);
        });
        underWay.add(storing);
      } else {
        result = failed;
      }
      if (result !== 'parked') break;
    }
    await Promise.all(underWay);
    return result;
  }

  /** Where another copy of it could not be stored, it comes again, perhaps after the server has forgotten this one's `Nats-Msg-Id`. */
  async function storeOnce(message: ReceivedMessage, copy: CopyHeaders): Promise<ParkResult> {
    const keys = storedFor.get(message) ?? new Set();
    if (keys.has(copy.endpointKey)) return 'parked';
    const result = await store(message, copy);
    if (result === 'parked') storedFor.set(message, keys.add(copy.endpointKey));
    return result;
  }

  function copySubject({ orderingKey }: ReceivedMessage, endpointKey: string): string {
    return orderingKey === null
      ? parkedSubject(sourceStream, endpointKey)
      : orderedCopySubject(sourceStream, orderingKey, endpointKey);
  }

  function store(message: ReceivedMessage, copy: CopyHeaders): Promise<ParkResult> {
    return new Promise((resolve) => {
      const givesUpAt = performance.now() + retryForMs;
      requests.send({
        subject: copySubject(message, copy.endpointKey),
        data: message.data,
        headers: copyHeaderBlock(message, copy),
        isExpired: (now) => now >= givesUpAt,
        onReply(answer) {
          const failure = isNoResponders(answer) ? (absent() ?? 'again') : judge(answer.json<PubAck>());
          if (failure === 'again') return RETRY_MS;
          if (failure === 'stored') stored();
          else failed(failure);
          return null;
        },
        onFailure(error) {
          void classifyFailure(message, error).then(failed);
        },
      });

      function stored(): void {
        copied();
        problem.clear();
        resolve('parked');
      }

      function failed(failure: Failed): void {
        // Other copies of it that were in there are gone with the stream.
        if (failure.failed === 'noStream') storedFor.delete(message);
        resolve({ failed: problem.report(failure) });
      }
    });
  }

  function judge(ack: PubAck): 'stored' | 'again' | Failed {
    if (ack.error === undefined) return 'stored';
    const failure = classifyReply(subjects, ack.error);
    return failure === 'again' || 'stored' in failure ? 'again' : failure;
  }

  async function classifyFailure(handOut: ReceivedMessage, error: unknown): Promise<Failed> {
    const message = { subject: subjects, data: handOut.data };
    const failure = await classifyNoReply(client, message, error).catch(
      (cause): Failed => ({ failed: 'refused', detail: errorMessage(cause) }),
    );
    return failure === 'again' || 'stored' in failure ? unconfirmed(subjects, retryForMs) : failure;
  }

  /** Nobody listens: no stream, or one without a leader? One look tells it for all, a second long. */
  function absent(): Failed | null {
    if (absence !== null && performance.now() < absence.until) return absence.failed;
    if (!looking) void look();
    return null;
  }

  async function look(): Promise<void> {
    looking = true;
    const error = NatsError.errorForCode(ErrorCode.NoResponders);
    const failure = await classifyNoReply(client, { subject: subjects, data: new Uint8Array() }, error);
    absence = {
      failed: failure === 'again' || 'stored' in failure ? null : failure,
      until: performance.now() + 1000,
    };
    looking = false;
  }

  function ackSource(message: ReceivedMessage): void {
    if (isGone(message)) return;
    requests.send({
      subject: message.reply,
      data: ACK,
      isExpired: (_, timesSent) => timesSent >= MAX_ACKS || isGone(message),
      onReply(answer) {
        if (isNoResponders(answer)) return ACK_RETRY_MS;
        moved();
        return null;
      },
      onFailure() {
        // It is handed out again, and its copy stays one.
      },
    });
  }

  return {
    park,
    fits(message) {
      const { atMost, ofCopy } = HEADERS_BYTES;
      const bytes = message.size + (message.isParkedCopy ? ofCopy : atMost);
      return bytes <= (client.connection.info?.max_payload ?? Number.POSITIVE_INFINITY);
    },
    problem: () => problem.current(),
    flush: (timeoutMs) => requests.flush(timeoutMs),
    stop: () => requests.stop(),
  };
}
