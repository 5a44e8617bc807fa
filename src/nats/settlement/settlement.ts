import { type Attempt, attemptsMade } from '../../core/retry/attempt.ts';
import { type Verdict, whyGivenUp } from '../../core/retry/verdict.ts';
import { faultPoint } from '../../runtime/fault-point.ts';
import type { NatsClient } from '../connection/client.ts';
import type { HandOut } from '../messages/received-message.ts';
import type { AckBuffer } from './ack-buffer.ts';
import { Holding } from './ack-lease.ts';
import type { DeadLetterWriter } from './dead-letter-writer.ts';
import { createParker, type DeliveryKey } from './park-or-keep.ts';
import type { ParkingLot } from './parked-writer.ts';

const ACK = Buffer.from('+ACK');
const NAK = Buffer.from('-NAK');
const TERM = Buffer.from('+TERM');

/** Wait before a message is handed out again that could not be put among the dead letters, in milliseconds. */
const DEAD_LETTER_STUCK_MS = 5000;
const TERM_TIMEOUT_MS = 5000;
/**
 * How long a dead letter that could not be stored is a trouble of ours, in milliseconds: by then it has been tried again, and
 * where that was not here, a peer knows better.
 */
const TROUBLE_LASTS_MS = 30_000;

const letterStored = faultPoint('deadLetter.stored');

export type SettlementOptions = {
  readonly client: NatsClient;
  readonly acks: AckBuffer;
  readonly deadLetters: DeadLetterWriter;
  readonly parking: ParkingLot;
  /**
   * Keeps a message that could not be parked, or has to keep its order, held as it is, until its endpoint may have room; or
   * returns false. @default never
   */
  readonly defer?: (handOut: HandOut, endpointKey: string) => boolean;
  /** From 0 (included) to 1 (excluded). @default `Math.random` */
  readonly random?: () => number;
  /**
   * What the durable has, in milliseconds. A message held for a third of it is reported as in progress, again and
   * again, so that a long attempt is not handed to a second worker.
   */
  readonly ackWaitMs: number;
  /** Whether its stream was made again meanwhile: the server would take our word for one about another message. */
  readonly isGone?: (handOut: HandOut) => boolean;
  /** Milliseconds on a clock that never goes back. @default `performance.now` */
  readonly now?: () => number;
};

export interface Settlement {
  /** Registers a message as held here: the server is told so until it is settled. */
  hold(handOut: HandOut): void;
  /** Does what was decided, and returns what was done: what can be stored nowhere is handed back. */
  settle(handOut: HandOut, delivery: DeliveryKey, attempt: Attempt, verdict: Verdict): Promise<Verdict>;
  /** Puts a copy into the queue of each of these endpoints, as a delivery of which no attempt was made. Returns what was done. */
  fanOut(handOut: HandOut, id: string, endpointKeys: readonly string[]): Promise<Verdict>;
  /** Hands a message back undecided, to be handed out again after `delayMs`. */
  handBack(handOut: HandOut, delayMs: number): void;
  /** Acks a hand-out of what was settled by an earlier one. */
  ackAgain(handOut: HandOut): void;
  /** Lets go of an ordered message about which there is nothing to be said any more. */
  letGo(handOut: HandOut): void;
  /** Whether nobody else can have it for so long: an ordered one that NATS did not hear of in time may be with another worker. */
  isOurs(handOut: HandOut, forMs?: number): boolean;
  /** Whether messages were handed back that had no room and could not be parked either. */
  hasHandedBack(): boolean;
  /** Null while dead letters can be stored; else why not, for health. */
  trouble(): string | null;
  stop(): void;
}

/** What we do: the only place that says ack, nak and term. */
export function createSettlement({
  client,
  acks,
  deadLetters,
  parking,
  defer = () => false,
  ackWaitMs,
  isGone = () => false,
  now = () => performance.now(),
  random = Math.random,
}: SettlementOptions): Settlement {
  const holding = new Holding({ client, acks, ackWaitMs, isGone });
  let trouble: { readonly why: string; readonly until: number } | null = null;

  /** Said when it begins and when it ends: each letter that is stuck is tried again and again. */
  function noteTrouble(why: string | null): void {
    if (why !== null && trouble === null) client.log.error(`${why}; its message is kept, and tried again`);
    if (why === null && trouble !== null) client.log.info('dead letters are stored again');
    trouble = why === null ? null : { why, until: now() + TROUBLE_LASTS_MS };
  }

  function handBack(handOut: HandOut, delayMs: number): Verdict {
    nak(handOut, delayMs);
    return { kind: 'handBack', delayMs };
  }

  function nak(handOut: HandOut, delayMs: number): void {
    const word = delayMs === 0 ? NAK : Buffer.from(`-NAK {"delay":${delayMs * 1_000_000}}`);
    // Once the delay is over it may be with somebody.
    holding.end(handOut, word, delayMs);
  }

  const parker = createParker({
    parking,
    defer,
    handBack,
    moved: (handOut) => holding.drop(handOut),
    random,
  });

  async function deadLetter(
    handOut: HandOut,
    delivery: DeliveryKey,
    attempt: Attempt,
    verdict: Extract<Verdict, { kind: 'deadLetter' }>,
  ): Promise<Verdict> {
    const stored = await deadLetters.write({
      orderedStream: handOut.queue === null ? null : handOut.place.stream,
      sourceStreamCreated: handOut.streamCreated,
      sequence: handOut.sequence,
      endpointKey: delivery.endpointKey,
      deliveryId: delivery.id,
      reason: verdict.reason,
      detail: whyGivenUp(attempt, verdict),
      attempts: attemptsMade(handOut.attemptNumber, attempt.outcome),
      originalSubject: handOut.subject,
      at: attempt.startedAt + attempt.durationMs,
      messageHeaders: handOut.headers(),
      data: handOut.data,
    });
    noteTrouble(typeof stored === 'string' ? null : stored.failed);
    if (typeof stored !== 'string') return handBack(handOut, DEAD_LETTER_STUCK_MS);
    letterStored();
    await terminate(handOut, verdict.reason);
    return verdict;
  }

  /** Confirmed, since the copy is stored. Without an answer it is said again like any ack: the copy stays one. */
  async function terminate(handOut: HandOut, reason: string): Promise<void> {
    const word = Buffer.concat([TERM, Buffer.from(` ${reason}`)]);
    if (isGone(handOut) || !holding.isOurs(handOut)) return holding.drop(handOut);
    await client.connection.request(handOut.reply, word, { timeout: TERM_TIMEOUT_MS }).then(
      () => holding.drop(handOut),
      () => holding.end(handOut, word),
    );
  }

  return {
    hold: (handOut) => holding.hold(handOut),
    async settle(handOut, delivery, attempt, verdict) {
      switch (verdict.kind) {
        case 'ack':
        case 'drop':
          holding.end(handOut, ACK);
          return verdict;
        case 'retry': {
          const attempts = attemptsMade(handOut.attemptNumber, attempt.outcome);
          if (
            verdict.waitsIn === 'queue' &&
            (await parker.park(handOut, [delivery], attempts, Date.now() + verdict.delayMs))
          )
            return verdict;
          nak(handOut, verdict.delayMs);
          return { ...verdict, waitsIn: 'stream' };
        }
        case 'park':
          if (handOut.queue === null)
            return parker.parkOrKeep(handOut, [delivery], handOut.attemptNumber - 1);
          if (holding.isOurs(handOut)) return parker.keepInOrder(handOut, delivery.endpointKey);
          holding.drop(handOut);
          return { kind: 'handBack', delayMs: 0 };
        case 'schedule':
          return parker.schedule(handOut, delivery.id, verdict);
        case 'setAside':
        case 'handBack':
          return handBack(handOut, 0);
        case 'deadLetter':
          return deadLetter(handOut, delivery, attempt, verdict);
      }
    },
    fanOut: (handOut, id, endpointKeys) =>
      parker.parkOrKeep(
        handOut,
        endpointKeys.map((endpointKey) => ({ id, endpointKey })),
        0,
      ),
    handBack: nak,
    ackAgain: (handOut) => holding.end(handOut, ACK),
    letGo: (handOut) => holding.drop(handOut),
    isOurs: (handOut, forMs) => holding.isOurs(handOut, forMs),
    hasHandedBack: parker.hasHandedBack,
    trouble: () => (trouble !== null && now() < trouble.until ? trouble.why : null),
    stop: () => holding.stop(),
  };
}
