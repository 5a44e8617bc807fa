import { failpoint } from '../../runtime/failpoint.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import { encodedHeaders, isNoResponders, RetryingRequests } from '../publishing/retrying-requests.ts';
import type { StoreFailed } from '../publishing/store-failure.ts';
import { createMessageStore } from '../publishing/store-message.ts';
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

/** Wait before an ack is sent again that nobody heard, in milliseconds. */
const ACK_RETRY_MS = 2000;

/** Then its durable is gone for good. What it hands out again meanwhile is parked with the same `Nats-Msg-Id`, and so is one. */
const MAX_ACKS = 30;

const copying = failpoint('parking.copying');
const copied = failpoint('parking.copied');
const moved = failpoint('parking.moved');

export function createParkedWriter(client: NatsClient, options: ParkedWriterOptions): ParkedWriter {
  const { streamName, sourceStream, isGone = () => false, retryForMs = 10_000 } = options;
  const requests = new RetryingRequests(client);
  const problem = new StoreProblem(client.log, streamName);
  const subjects = parkedSubject(sourceStream, '>');
  const storeMessage = createMessageStore(client, { retryForMs, subjects, requests });
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

  async function store(message: ReceivedMessage, copy: CopyHeaders): Promise<ParkResult> {
    const result = await storeMessage({
      subject: copySubject(message, copy.endpointKey),
      data: message.data,
      headers: encodedHeaders(copyHeaderBlock(message, copy)),
    }).catch((cause): StoreFailed => ({ failed: 'refused', detail: errorMessage(cause) }));
    if ('stored' in result) {
      copied();
      problem.clear();
      return 'parked';
    }
    // Other copies of it that were in there are gone with the stream.
    if (result.failed === 'noStream') storedFor.delete(message);
    return { failed: problem.report(result) };
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
