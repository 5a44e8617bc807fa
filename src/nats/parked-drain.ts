import { AckPolicy, DeliverPolicy, nanos } from 'nats';
import { scheduledQueue } from '../core/scheduled-queue.ts';
import { errorMessage } from '../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, isTemporary } from './api-error.ts';
import type { NatsClient } from './client.ts';
import { consumerName } from './consumer-name.ts';
import { parkedSubject } from './parked-stream.ts';

export type DrainWanted = {
  /** PARKED_STREAM_NAME. */
  readonly parkedStream: string;
  /** The stream whose messages are parked there. */
  readonly sourceStream: string;
  readonly endpointKey: string;
  /** ACK_WAIT_MS. */
  readonly ackWaitMs: number;
};

export type Drain =
  | { readonly name: string }
  /** It cannot be made now, which may be over in a moment, or waits for somebody's cure. */
  | { readonly failed: string };

/** Handed out and not yet acked, by one endpoint; and of what is due within one minute, which all waits for its second. */
const MAX_ACK_PENDING = { ofEndpoint: 10_000, ofMinute: 100_000 };
/** How long the server keeps a drain that nobody pulls from. It holds nothing that the next one would not find in the stream. */
const INACTIVE_MS = 20_000;

/**
 * Makes the durable from which all workers drain what is parked for one endpoint, or finds it, with one request. It is
 * never looked after: a worker that pulls keeps it, and what it had handed out when it vanished, the next one
 * hands out again.
 *
 * @throws what is neither an answer of JetStream nor the lack of one.
 */
export async function ensureDrain(client: NatsClient, wanted: DrainWanted): Promise<Drain> {
  // What somebody else parked may have any key.
  const name = consumerName(`drain-${wanted.sourceStream}-${wanted.endpointKey}`);
  try {
    await client.manager.consumers.add(wanted.parkedStream, {
      name,
      durable_name: name,
      filter_subject: parkedSubject(wanted.sourceStream, wanted.endpointKey),
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(wanted.ackWaitMs),
      max_deliver: -1,
      max_ack_pending:
        scheduledQueue(wanted.endpointKey) === null ? MAX_ACK_PENDING.ofEndpoint : MAX_ACK_PENDING.ofMinute,
      inactive_threshold: nanos(INACTIVE_MS),
    });
    return { name };
  } catch (error) {
    // A peer made it, with another ACK_WAIT_MS.
    if (apiErrorCode(error) === ApiErrorCode.consumerExists) return { name };
    if (isTemporary(error) || apiErrorCode(error) !== undefined) {
      return {
        failed: `cannot drain ${wanted.endpointKey} from ${wanted.parkedStream}: ${errorMessage(error)}`,
      };
    }
    throw error;
  }
}
