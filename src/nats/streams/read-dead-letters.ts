import { Header } from '../../core/message/nats-headers.ts';
import { ApiErrorCode, apiErrorCode, isTemporary } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';

export type StoredDeadLetter = {
  readonly deliveryId: string;
  readonly reason: string;
  /** What went wrong, for a person. */
  readonly detail: string;
};

/** The sequence after which later messages of the stream stand. 0 if the stream does not exist. Null: unknown. */
export async function lastSequenceOf(client: NatsClient, stream: string): Promise<number | null> {
  try {
    return (await client.manager.streams.info(stream)).state.last_seq;
  } catch (error) {
    if (apiErrorCode(error) === ApiErrorCode.streamNotFound) return 0;
    if (isTemporary(error)) return null;
    throw error;
  }
}

/**
 * Reads dead letters, one request each, in the order in which they were stored. Ends early if NATS cannot be reached.
 *
 * @param after Only later sequences are read.
 * @param most How many sequences are read at most.
 */
export async function* deadLettersAfter(
  client: NatsClient,
  stream: string,
  after: number,
  most: number,
): AsyncGenerator<StoredDeadLetter> {
  const last = (await lastSequenceOf(client, stream)) ?? 0;
  for (let seq = after + 1; seq <= Math.min(last, after + most); seq++) {
    try {
      const { header } = await client.manager.streams.getMessage(stream, { seq });
      yield {
        deliveryId: header.get(Header.deliveryId),
        reason: header.get(Header.deadLetterReason),
        detail: header.get(Header.deadLetterDetail),
      };
    } catch (error) {
      if (apiErrorCode(error) === ApiErrorCode.noMessageFound) continue;
      if (isTemporary(error)) return;
      throw error;
    }
  }
}
