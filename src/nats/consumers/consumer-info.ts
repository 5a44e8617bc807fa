import { ApiErrorCode, apiErrorCode, isTemporary } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';

/** The progress of a group. */
export type ConsumerProgress = {
  /** When the durable of the group was created, in milliseconds since 1970. A new value means that the durable was recreated. */
  readonly createdAt: number;
  /** Messages in the stream that NATS has not delivered to the group yet. */
  readonly pending: number;
  /** Messages that NATS delivered and that are not acked yet: in flight, or waiting for a retry. */
  readonly ackPending: number;
  /** Stream sequence up to which everything is acked. */
  readonly ackFloor: number;
  /** Requests of workers for messages that are open now. 0: no worker runs, or each worker has as many messages as it can take. */
  readonly openPulls: number;
};

/** Null if the progress is unknown now: NATS cannot be reached, or the durable or the stream does not exist. */
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
      openPulls: info.num_waiting,
    };
  } catch (error) {
    const gone = [ApiErrorCode.consumerNotFound, ApiErrorCode.streamNotFound] as (number | undefined)[];
    if (isTemporary(error) || gone.includes(apiErrorCode(error))) return null;
    throw error;
  }
}
