import { AckPolicy, DeliverPolicy, ErrorCode, nanos } from 'nats';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, isTemporary } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';

export type QueueDurableWanted = {
  readonly stream: string;
  /** Of the messages of this queue. */
  readonly subject: string;
  readonly name: string;
  /** Completes "cannot …": `drain <key> from <stream>`. */
  readonly purpose: string;
  /** In milliseconds. */
  readonly ackWaitMs: number;
  /** Handed out and not yet acked. */
  readonly maxAckPending: number;
  /** How long the server keeps it when nobody pulls from it, in milliseconds. */
  readonly inactiveMs: number;
  /** Whether one that is there with other values is given these. */
  readonly isUpdated: boolean;
};

export type QueueDurable =
  | { readonly name: string }
  /** It cannot be made now, which may be over in a moment, or waits for somebody's cure. */
  | { readonly failed: string };

/**
 * Makes the durable from which all workers take the messages of one queue, or finds it, with one request. It is never looked
 * after: a worker that pulls keeps it, and what it had handed out when it vanished, the next one hands out again.
 *
 * @throws what is neither an answer of JetStream nor the lack of one.
 */
export async function ensureQueueDurable(
  client: NatsClient,
  wanted: QueueDurableWanted,
): Promise<QueueDurable> {
  const { stream, name, isUpdated } = wanted;
  const { consumers } = client.manager;
  const config = {
    name,
    durable_name: name,
    filter_subject: wanted.subject,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(wanted.ackWaitMs),
    max_deliver: -1,
    max_ack_pending: wanted.maxAckPending,
    inactive_threshold: nanos(wanted.inactiveMs),
  };
  try {
    await consumers.add(stream, config).catch(async (error) => {
      if (apiErrorCode(error) !== ApiErrorCode.consumerExists) throw error;
      if (isUpdated) await consumers.update(stream, name, config);
    });
    return { name };
  } catch (error) {
    const isDenied = errorCode(error) === ErrorCode.PermissionsViolation;
    if (isTemporary(error) || isDenied || apiErrorCode(error) !== undefined)
      return { failed: `cannot ${wanted.purpose}: ${errorMessage(error)}` };
    throw error;
  }
}
