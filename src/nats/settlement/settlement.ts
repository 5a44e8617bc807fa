import { type Attempt, attemptsMade } from '../../core/retry/attempt.ts';
import { deadLetterDetail, type Verdict } from '../../core/retry/verdict.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import type { AckBuffer } from './ack-buffer.ts';
import { LeaseManager } from './ack-lease.ts';
import type { DeadLetterWriter } from './dead-letter-writer.ts';
import { createParker, type DeliveryKey } from './park-or-keep.ts';
import type { ParkedWriter } from './parked-writer.ts';

const ACK = Buffer.from('+ACK');
const NAK = Buffer.from('-NAK');
const TERM = Buffer.from('+TERM');

/** Wait before a message is handed out again that could not be put among the dead letters, in milliseconds. */
const DEAD_LETTER_RETRY_MS = 5000;
const TERM_TIMEOUT_MS = 5000;
/**
 * How long a dead letter that could not be stored is a trouble of ours, in milliseconds: by then it has been tried again, and
 * where that was not here, a peer knows better.
 */
const PROBLEM_LASTS_MS = 30_000;
const KEPT =
  'The worker keeps the message and tries again. Look at the limits of the dead-letter stream with `nats stream info`.';

const deadLetterStored = failpoint('deadLetter.stored');

export type SettlementOptions = {
  readonly client: NatsClient;
  readonly acks: AckBuffer;
  readonly deadLetters: DeadLetterWriter;
  readonly parkedWriter: ParkedWriter;
  /**
   * Keeps a message that could not be parked, or has to keep its order, held as it is, until its endpoint may have room; or
   * returns false. @default never
   */
  readonly defer?: (message: ReceivedMessage, endpointKey: string) => boolean;
  /** From 0 (included) to 1 (excluded). @default `Math.random` */
  readonly random?: () => number;
  /**
   * What the durable has, in milliseconds. A message held for a third of it is reported as in progress, again and
   * again, so that a long attempt is not handed to a second worker.
   */
  readonly ackWaitMs: number;
  /** Whether its stream was made again meanwhile: the server would take our word for one about another message. */
  readonly isGone?: (message: ReceivedMessage) => boolean;
  /** Milliseconds on a clock that never goes back. @default `performance.now` */
  readonly now?: () => number;
};

export interface Settlement {
  /** Registers a message as held here: the server is told so until it is settled. */
  hold(message: ReceivedMessage): void;
  /** Does what was decided, and returns what was done: what can be stored nowhere is handed back. */
  settle(
    message: ReceivedMessage,
    delivery: DeliveryKey,
    attempt: Attempt,
    verdict: Verdict,
  ): Promise<Verdict>;
  /** Puts a copy into the queue of each of these endpoints, as a delivery of which no attempt was made. Returns what was done. */
  fanOut(message: ReceivedMessage, id: string, endpointKeys: readonly string[]): Promise<Verdict>;
  /** Hands a message back undecided, to be handed out again after `delayMs`. */
  requeue(message: ReceivedMessage, delayMs: number): void;
  /** Acks a hand-out of what was settled by an earlier one. */
  ackDuplicate(message: ReceivedMessage): void;
  /** Lets go of an ordered message about which there is nothing to be said any more. */
  abandon(message: ReceivedMessage): void;
  /** Whether nobody else can have it for so long: an ordered one that NATS did not hear of in time may be with another worker. */
  isLeaseValid(message: ReceivedMessage, forMs?: number): boolean;
  /** Whether messages were handed back that had no room and could not be parked either. */
  hasRequeued(): boolean;
  /** Null while dead letters can be stored; else why not, for health. */
  problem(): string | null;
  stop(): void;
}

/** What we do: the only place that says ack, nak and term. */
export function createSettlement({
  client,
  acks,
  deadLetters,
  parkedWriter,
  defer = () => false,
  ackWaitMs,
  isGone = () => false,
  now = () => performance.now(),
  random = Math.random,
}: SettlementOptions): Settlement {
  const leases = new LeaseManager({ client, acks, ackWaitMs, isGone });
  let problem: { readonly why: string; readonly until: number } | null = null;

  /** Said when it begins and when it ends: each letter that is stuck is tried again and again. */
  function reportProblem(why: string | null): void {
    if (why !== null && problem === null)
      client.log.error({ error: why, hint: KEPT }, 'dead_letter.store_failed');
    if (why === null && problem !== null) client.log.info({}, 'dead_letter.recovered');
    problem = why === null ? null : { why, until: now() + PROBLEM_LASTS_MS };
  }

  function requeue(message: ReceivedMessage, delayMs: number): Verdict {
    nak(message, delayMs);
    return { kind: 'requeued', delayMs };
  }

  function nak(message: ReceivedMessage, delayMs: number): void {
    const word = delayMs === 0 ? NAK : Buffer.from(`-NAK {"delay":${delayMs * 1_000_000}}`);
    // Once the delay is over it may be with somebody.
    leases.finish(message, word, delayMs);
  }

  const parking = createParker({
    parkedWriter,
    defer,
    requeue,
    onParked: (message) => leases.remove(message),
    random,
  });

  async function deadLetter(
    message: ReceivedMessage,
    delivery: DeliveryKey,
    attempt: Attempt,
    verdict: Extract<Verdict, { kind: 'deadLetter' }>,
  ): Promise<Verdict> {
    const stored = await deadLetters.write({
      orderedStream: message.orderingKey === null ? null : message.position.stream,
      sourceStreamCreatedAt: message.streamCreatedAt,
      sequence: message.sequence,
      endpointKey: delivery.endpointKey,
      deliveryId: delivery.id,
      reason: verdict.reason,
      detail: deadLetterDetail(attempt, verdict),
      attempts: attemptsMade(message.attemptNumber, attempt.outcome),
      originalSubject: message.subject,
      at: attempt.startedAt + attempt.durationMs,
      messageHeaders: message.headers(),
      data: message.data,
    });
    reportProblem(typeof stored === 'string' ? null : stored.failed);
    if (typeof stored !== 'string') return requeue(message, DEAD_LETTER_RETRY_MS);
    deadLetterStored();
    await terminate(message, verdict.reason);
    return verdict;
  }

  /** Confirmed, since the copy is stored. Without an answer it is said again like any ack: the copy stays one. */
  async function terminate(message: ReceivedMessage, reason: string): Promise<void> {
    const word = Buffer.concat([TERM, Buffer.from(` ${reason}`)]);
    if (isGone(message) || !leases.isLeaseValid(message)) return leases.remove(message);
    await client.connection.request(message.reply, word, { timeout: TERM_TIMEOUT_MS }).then(
      () => leases.remove(message),
      () => leases.finish(message, word),
    );
  }

  return {
    hold: (message) => leases.add(message),
    async settle(message, delivery, attempt, verdict) {
      switch (verdict.kind) {
        case 'ack':
        case 'discard':
          leases.finish(message, ACK);
          return verdict;
        case 'retry': {
          const attempts = attemptsMade(message.attemptNumber, attempt.outcome);
          if (
            verdict.retryVia === 'park' &&
            (await parking.park(message, [delivery], attempts, Date.now() + verdict.delayMs))
          )
            return verdict;
          nak(message, verdict.delayMs);
          return { ...verdict, retryVia: 'nak' };
        }
        case 'park':
          if (message.orderingKey === null)
            return parking.parkOrKeep(message, [delivery], message.attemptNumber - 1);
          if (leases.isLeaseValid(message)) return parking.keepInOrder(message, delivery.endpointKey);
          leases.remove(message);
          return { kind: 'requeued', delayMs: 0 };
        case 'schedule':
          return parking.schedule(message, delivery.id, verdict);
        case 'deferred':
        case 'requeued':
          return requeue(message, 0);
        case 'deadLetter':
          return deadLetter(message, delivery, attempt, verdict);
      }
    },
    fanOut: (message, id, endpointKeys) =>
      parking.parkOrKeep(
        message,
        endpointKeys.map((endpointKey) => ({ id, endpointKey })),
        0,
      ),
    requeue: nak,
    ackDuplicate: (message) => leases.finish(message, ACK),
    abandon: (message) => leases.remove(message),
    isLeaseValid: (message, forMs) => leases.isLeaseValid(message, forMs),
    hasRequeued: parking.hasRequeued,
    problem: () => (problem !== null && now() < problem.until ? problem.why : null),
    stop: () => leases.stop(),
  };
}
