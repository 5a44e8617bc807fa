import { ErrorCode, NatsError } from 'nats';
import { errorMessage } from '../../runtime/failure.ts';
import { faultPoint } from '../../runtime/fault-point.ts';
import type { NatsClient } from '../connection/client.ts';
import type { HandOut } from '../messages/received-message.ts';
import { Asks, isNoResponders } from '../publishing/retrying-requests.ts';
import {
  judgeAnswer,
  judgeSilence,
  type PubAck,
  type Stored,
  type StoreFailure,
  unconfirmed,
} from '../publishing/store-failure.ts';
import { orderedCopySubject } from '../streams/ordered-stream.ts';
import { parkedSubject } from '../streams/parked-stream.ts';
import { CopyTurns, type Parked } from './copy-budget.ts';
import { copyHeaderBlock, type Parking } from './copy-headers.ts';
import { ParkingTrouble } from './parked-writer-status.ts';

export type ParkingOptions = {
  /** PARKED_STREAM_NAME. */
  readonly streamName: string;
  /** The stream whose messages are parked. */
  readonly sourceStream: string;
  /** Whether the stream that handed it out was made again meanwhile: the server would take our ack for one of another message. */
  readonly isGone?: (handOut: HandOut) => boolean;
  /** How long a copy is tried while NATS cannot confirm it, in milliseconds. @default 10_000 */
  readonly retryForMs?: number;
};

export interface ParkingLot {
  /**
   * Copies a message into the parked stream, for one endpoint or several; an ordered one into the stream of ordered webhooks.
   * Once all copies are stored, its source is acked, until the server confirms it.
   */
  park(handOut: HandOut, ...parkings: readonly Parking[]): Promise<Parked>;
  /** Whether its copy, headers and all, is not larger than NATS takes. */
  fits(handOut: HandOut): boolean;
  /** Why copies cannot be stored, for health; null while they can. */
  trouble(): string | null;
  /** Resolves when everything said so far is confirmed, or `timeoutMs` went by: then false. */
  drain(timeoutMs: number): Promise<boolean>;
  /** Parks that are under way fail. */
  stop(): void;
}

const ACK = Buffer.from('+ACK');

/** What a copy is larger than its message, in bytes, by our headers; a copy of a copy has about as many as that one. */
const HEADERS_BYTES = { atMost: 2048, ofCopy: 256 };

/** Wait before a copy is sent again that the stream could not take just now, in milliseconds. */
const PAUSE_MS = 250;
const ACK_PAUSE_MS = 2000;

/** Then its durable is gone for good. What it hands out again meanwhile is parked with the same `Nats-Msg-Id`, and so is one. */
const MOST_ACKS = 30;

const copying = faultPoint('parking.copying');
const copied = faultPoint('parking.copied');
const moved = faultPoint('parking.moved');

type Failed = Extract<Stored, { failed: StoreFailure }>;

export function createParking(client: NatsClient, options: ParkingOptions): ParkingLot {
  const { streamName, sourceStream, isGone = () => false, retryForMs = 10_000 } = options;
  const asks = new Asks(client);
  const trouble = new ParkingTrouble(client.log, streamName);
  /** Named in place of each subject, so that one trouble is one sentence. */
  const subjects = parkedSubject(sourceStream, '>');
  let absence: { readonly failed: Failed | null; readonly until: number } | null = null;
  let looking = false;
  const storedFor = new WeakMap<HandOut, Set<string>>();
  const turns = new CopyTurns();

  async function park(handOut: HandOut, ...parkings: readonly Parking[]): Promise<Parked> {
    copying();
    const [only] = parkings;
    const result =
      only !== undefined && parkings.length === 1
        ? await storeOnce(handOut, only)
        : await storeInTurn(handOut, parkings);
    if (result === 'parked') ackSource(handOut);
    return result;
  }

  async function storeInTurn(handOut: HandOut, parkings: readonly Parking[]): Promise<Parked> {
    const bytes = handOut.size + HEADERS_BYTES.ofCopy;
    const underWay = new Set<Promise<void>>();
    let result: Parked = 'parked';
    for (const parking of parkings) {
      const failed = await turns.enter(bytes);
      if (failed === null) {
        const storing = storeOnce(handOut, parking).then((stored) => {
          underWay.delete(storing);
          if (stored !== 'parked') result = stored;
          turns.leave(bytes, stored);
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
  async function storeOnce(handOut: HandOut, parking: Parking): Promise<Parked> {
    const keys = storedFor.get(handOut) ?? new Set();
    if (keys.has(parking.endpointKey)) return 'parked';
    const result = await store(handOut, parking);
    if (result === 'parked') storedFor.set(handOut, keys.add(parking.endpointKey));
    return result;
  }

  function copySubject({ queue }: HandOut, endpointKey: string): string {
    return queue === null
      ? parkedSubject(sourceStream, endpointKey)
      : orderedCopySubject(sourceStream, queue, endpointKey);
  }

  function store(handOut: HandOut, parking: Parking): Promise<Parked> {
    return new Promise((resolve) => {
      const givesUpAt = performance.now() + retryForMs;
      asks.send({
        subject: copySubject(handOut, parking.endpointKey),
        data: handOut.data,
        headers: copyHeaderBlock(handOut, parking),
        isOver: (now) => now >= givesUpAt,
        onAnswer(answer) {
          const judged = isNoResponders(answer) ? (absent() ?? 'again') : judge(answer.json<PubAck>());
          if (judged === 'again') return PAUSE_MS;
          if (judged === 'stored') stored();
          else failed(judged);
          return null;
        },
        onFailure(error) {
          void judgeFailure(handOut, error).then(failed);
        },
      });

      function stored(): void {
        copied();
        trouble.end();
        resolve('parked');
      }

      function failed(failure: Failed): void {
        // Other copies of it that were in there are gone with the stream.
        if (failure.failed === 'noStream') storedFor.delete(handOut);
        resolve({ failed: trouble.note(failure) });
      }
    });
  }

  function judge(ack: PubAck): 'stored' | 'again' | Failed {
    if (ack.error === undefined) return 'stored';
    const judged = judgeAnswer(subjects, ack.error);
    return judged === 'again' || 'stored' in judged ? 'again' : judged;
  }

  async function judgeFailure(handOut: HandOut, error: unknown): Promise<Failed> {
    const message = { subject: subjects, data: handOut.data };
    const judged = await judgeSilence(client, message, error).catch(
      (cause): Failed => ({ failed: 'refused', detail: errorMessage(cause) }),
    );
    return judged === 'again' || 'stored' in judged ? unconfirmed(subjects, retryForMs) : judged;
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
    const judged = await judgeSilence(client, { subject: subjects, data: new Uint8Array() }, error);
    absence = {
      failed: judged === 'again' || 'stored' in judged ? null : judged,
      until: performance.now() + 1000,
    };
    looking = false;
  }

  function ackSource(handOut: HandOut): void {
    if (isGone(handOut)) return;
    asks.send({
      subject: handOut.reply,
      data: ACK,
      isOver: (_, timesSent) => timesSent >= MOST_ACKS || isGone(handOut),
      onAnswer(answer) {
        if (isNoResponders(answer)) return ACK_PAUSE_MS;
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
    fits(handOut) {
      const { atMost, ofCopy } = HEADERS_BYTES;
      const bytes = handOut.size + (handOut.isParkedCopy ? ofCopy : atMost);
      return bytes <= (client.connection.info?.max_payload ?? Number.POSITIVE_INFINITY);
    },
    trouble: () => trouble.now(),
    drain: (timeoutMs) => asks.drain(timeoutMs),
    stop: () => asks.stop(),
  };
}
