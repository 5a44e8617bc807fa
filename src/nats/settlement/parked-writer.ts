import { failpoint } from '../../runtime/failpoint.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import { encodedHeaders, isNoResponders, RetryingRequests } from '../publishing/retrying-requests.ts';
import type { StoreFailed } from '../publishing/store-failure.ts';
import { createMessageStore } from '../publishing/store-message.ts';
import { type CopyOwner, groupPrefix, orderedCopySubject, parkedSubject } from '../streams/copy-subjects.ts';
import { ByteBudget, type ParkResult } from './copy-budget.ts';
import { type CopyHeaders, copyHeaderBlock } from './copy-headers.ts';
import { copyObstacle } from './copy-limits.ts';
import { StoreProblem } from './parked-writer-status.ts';

export type ParkedWriterOptions = {
  /** PARKED_STREAM_NAME. */
  readonly streamName: string;
  readonly owner: CopyOwner;
  /** True if the message's stream was created again: the server would take the ack for an ack of another message. */
  readonly isGone?: (message: ReceivedMessage) => boolean;
  /** How long a copy is sent again while NATS does not confirm it, in milliseconds. After it, the park fails. @default 10_000 */
  readonly retryForMs?: number;
};

export interface ParkedWriter {
  /**
   * Copies a message into the parked stream, one copy per endpoint. Copies of an ordered message go into the stream of ordered
   * webhooks. When all copies are stored, the ack of the source is sent until the server confirms it.
   */
  park(message: ReceivedMessage, ...parkings: readonly CopyHeaders[]): Promise<ParkResult>;
  /** Why NATS can never take a copy of the message, with its limit, for a person. Null: NATS can take it. */
  copyObstacle(message: ReceivedMessage): string | null;
  /** Why copies cannot be stored, for /health; null while they can. */
  problem(): string | null;
  /** Resolves to true when every ack sent so far is confirmed, or to false after `timeoutMs`. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Makes every park in progress fail. */
  stop(): void;
}

const ACK = Buffer.from('+ACK');

/** How much larger a copy is than its message, in bytes, because of added headers: about, for the memory of many copies. */
const ADDED_BYTES = 256;

/** Delay before the ack of a source without responders is sent again, in milliseconds. */
const ACK_RETRY_MS = 2000;

/**
 * After so many acks, the durable counts as deleted. If it delivers the message again, the new copy has the same `Nats-Msg-Id`.
 */
const MAX_ACKS = 30;

const copying = failpoint('parking.copying');
const copied = failpoint('parking.copied');
const moved = failpoint('parking.moved');

export function createParkedWriter(client: NatsClient, options: ParkedWriterOptions): ParkedWriter {
  const { streamName, owner, isGone = () => false, retryForMs = 10_000 } = options;
  const requests = new RetryingRequests(client);
  const problem = new StoreProblem(client.log, streamName);
  /** Named instead of each subject, so that one problem gives one sentence. */
  const subjects = parkedSubject(owner, '>');
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
    const bytes = message.size + ADDED_BYTES;
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

  /**
   * Stores a copy once. If another copy fails, the message comes again, perhaps after the server forgot this copy's
   * `Nats-Msg-Id`.
   */
  async function storeOnce(message: ReceivedMessage, copy: CopyHeaders): Promise<ParkResult> {
    const keys = storedFor.get(message) ?? new Set();
    if (keys.has(copy.endpointKey)) return 'parked';
    const result = await store(message, copy);
    if (result === 'parked') storedFor.set(message, keys.add(copy.endpointKey));
    return result;
  }

  function copySubject({ orderingKey }: ReceivedMessage, endpointKey: string): string {
    return orderingKey === null
      ? parkedSubject(owner, endpointKey)
      : orderedCopySubject(owner.sourceStream, orderingKey, endpointKey);
  }

  async function store(message: ReceivedMessage, copy: CopyHeaders): Promise<ParkResult> {
    const result = await storeMessage({
      subject: copySubject(message, copy.endpointKey),
      data: message.data,
      headers: encodedHeaders(copyHeaderBlock(message, copy, groupPrefix(owner.group))),
    }).catch((cause): StoreFailed => ({ failed: 'refused', detail: errorMessage(cause) }));
    if ('stored' in result) {
      copied();
      problem.clear();
      return 'parked';
    }
    // Other copies of the message that the stream held are gone with the stream.
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
        // NATS delivers the message again. Its copy is not stored twice.
      },
    });
  }

  return {
    park,
    copyObstacle: (message) => copyObstacle(message, owner.sourceStream, client.connection.info?.max_payload),
    problem: () => problem.current(),
    flush: (timeoutMs) => requests.flush(timeoutMs),
    stop: () => requests.stop(),
  };
}
