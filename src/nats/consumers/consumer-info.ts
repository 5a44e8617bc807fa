import { ApiErrorCode, apiErrorCode, isTemporary } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';

/** How far a group is. */
export type ConsumerProgress = {
  /** When its durable was made, in milliseconds since 1970: another one when it is made again. */
  readonly createdAt: number;
  /** Messages in the stream that were never handed out. */
  readonly pending: number;
  /** Handed out and not yet acked: in flight, or waiting for a retry. */
  readonly ackPending: number;
  /** Stream sequence up to which everything is acked. */
  readonly ackFloor: number;
};

/** Null where it cannot be known now: NATS is away, or the durable or stream is not there. */
export async function consumerInfo(
  client: NatsClient,
  stream: string,
  durable: string,
): Promise<ConsumerProgress | null> {
  if (!client.isConnected()) return null;
  try {
    const info = await client.manager.consumers.info(stream, durable);
    return {
      createdAt: Date.parse(info.created),
      pending: info.num_pending,
      ackPending: info.num_ack_pending,
      ackFloor: info.ack_floor.stream_seq,
    };
  } catch (error) {
    const gone = [ApiErrorCode.consumerNotFound, ApiErrorCode.streamNotFound] as (number | undefined)[];
    if (isTemporary(error) || gone.includes(apiErrorCode(error))) return null;
    throw error;
  }
}
