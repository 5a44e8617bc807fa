import { type Clock, systemClock } from '../../runtime/clock.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import type { AckBuffer } from './ack-buffer.ts';
import { LeaseManager } from './ack-lease.ts';
import type { CopyHeaders } from './copy-headers.ts';
import type { DeadLetter, DeadLetterWriter } from './dead-letter-writer.ts';
import type { ParkedWriter } from './parked-writer.ts';

const ACK = Buffer.from('+ACK');
const NAK = Buffer.from('-NAK');
const TERM = Buffer.from('+TERM');

const TERM_TIMEOUT_MS = 5000;
/**
 * How long a dead letter that could not be stored counts as a problem of this worker, in milliseconds. By then it has been tried
 * again; if another worker tried it, that worker knows better.
 */
const PROBLEM_LASTS_MS = 30_000;
const KEPT =
  'The worker keeps the message and tries again. Look at the limits of the dead-letter stream with `nats stream info`.';

const deadLetterStored = failpoint('deadLetter.stored');

/** What is stored in a dead letter besides its message. */
export type DeadLetterFacts = Pick<
  DeadLetter,
  'deliveryId' | 'endpointKey' | 'webhookId' | 'reason' | 'detail' | 'attempts' | 'at'
>;

export type SettlementOptions = {
  readonly client: NatsClient;
  readonly acks: AckBuffer;
  readonly deadLetters: DeadLetterWriter;
  readonly parkedWriter: ParkedWriter;
  /**
   * Ack wait of the consumers, in milliseconds. A progress message goes to the server after a third of it, so that NATS does
   * not deliver a message to a second worker during a long attempt.
   */
  readonly ackWaitMs: number;
  /**
   * True if the message's stream was created again: the server would take an ack for an ack of another message. @default never
   */
  readonly isGone?: (message: ReceivedMessage) => boolean;
  /** @default the clock of the process */
  readonly clock?: Clock;
};

/** What can be done with a message. Each effect reports what happened; `delivery/settler.ts` decides. */
export interface Settlement {
  /** Sends progress messages for the message to the server, until the message is settled. */
  hold(message: ReceivedMessage): void;
  ack(message: ReceivedMessage): void;
  /** The server delivers the message again after `delayMs`; 0: at once. */
  nak(message: ReceivedMessage, delayMs: number): void;
  /** Stores copies, then acks. Resolves to false if a copy is not stored: then the message is as it was. */
  park(message: ReceivedMessage, copies: readonly CopyHeaders[]): Promise<boolean>;
  /** Why NATS can never take a copy of the message, with its limit, for a person. Null: NATS can take it. */
  copyObstacle(message: ReceivedMessage): string | null;
  /** Stores a dead letter, then ends the message. Resolves to false if it is not stored: then the message is as it was. */
  deadLetter(message: ReceivedMessage, facts: DeadLetterFacts): Promise<boolean>;
  /** Forgets an ordered message that the server may have given to another worker. */
  abandon(message: ReceivedMessage): void;
  /**
   * True if the server cannot have given the message to another worker, also after `forMs`. Only the lease of ordered messages
   * ends.
   */
  isLeaseValid(message: ReceivedMessage, forMs?: number): boolean;
  /** Why dead letters cannot be stored, for /health; null while they can. */
  problem(): string | null;
  stop(): void;
}

/** The only place that sends ack, nak and term. */
export function createSettlement({
  client,
  acks,
  deadLetters,
  parkedWriter,
  ackWaitMs,
  isGone = () => false,
  clock = systemClock,
}: SettlementOptions): Settlement {
  const leases = new LeaseManager({ client, acks, ackWaitMs, isGone, clock });
  let problem: { readonly why: string; readonly until: number } | null = null;
  const problemLog = new ProblemLog({
    clock,
    sayOver: () => client.log.info({}, 'dead_letter.recovered'),
  });

  /** Logged when it begins and when it is over: each dead letter is tried again and again. */
  function reportProblem(why: string | null): void {
    if (why === null) problemLog.clear();
    else problemLog.report(() => client.log.error({ error: why, hint: KEPT }, 'dead_letter.store_failed'));
    problem = why === null ? null : { why, until: clock.now() + PROBLEM_LASTS_MS };
  }

  /**
   * Sends term and awaits its confirmation. Without an answer, term is sent again like any ack. The dead letter is not stored
   * twice.
   */
  async function terminate(message: ReceivedMessage, reason: string): Promise<void> {
    const term = Buffer.concat([TERM, Buffer.from(` ${reason}`)]);
    if (isGone(message) || !leases.isLeaseValid(message)) return leases.remove(message);
    await client.connection.request(message.reply, term, { timeout: TERM_TIMEOUT_MS }).then(
      () => leases.remove(message),
      () => leases.finish(message, term),
    );
  }

  return {
    hold: (message) => leases.add(message),
    ack: (message) => leases.finish(message, ACK),
    nak(message, delayMs) {
      const nak = delayMs === 0 ? NAK : Buffer.from(`-NAK {"delay":${delayMs * 1_000_000}}`);
      // Once the delay is over, another worker may have the message.
      leases.finish(message, nak, delayMs);
    },
    async park(message, copies) {
      const isParked = (await parkedWriter.park(message, ...copies)) === 'parked';
      if (isParked) leases.remove(message);
      return isParked;
    },
    copyObstacle: (message) => parkedWriter.copyObstacle(message),
    async deadLetter(message, facts) {
      const stored = await deadLetters.write({
        ...facts,
        orderedStream: message.orderingKey === null ? null : message.position.stream,
        sourceStreamCreatedAt: message.streamCreatedAt,
        sequence: message.sequence,
        originalSubject: message.subject,
        messageHeaders: message.headers(),
        data: message.data,
      });
      reportProblem(typeof stored === 'string' ? null : stored.failed);
      if (typeof stored !== 'string') return false;
      deadLetterStored();
      await terminate(message, facts.reason);
      return true;
    },
    abandon: (message) => leases.remove(message),
    isLeaseValid: (message, forMs) => leases.isLeaseValid(message, forMs),
    problem: () => (problem !== null && clock.now() < problem.until ? problem.why : null),
    stop: () => leases.stop(),
  };
}
