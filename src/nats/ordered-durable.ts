import { AckPolicy, DeliverPolicy, ErrorCode, nanos } from 'nats';
import { errorCode, errorMessage } from '../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, isTemporary } from './api-error.ts';
import type { NatsClient } from './client.ts';
import { consumerName } from './consumer-name.ts';

export type OrderedDurableWanted = {
  /** ORDERED_STREAM_NAME. */
  readonly stream: string;
  readonly subject: string;
  /** ACK_WAIT_MS. */
  readonly ackWaitMs: number;
};

export type OrderedDurable =
  | { readonly name: string }
  /** It cannot be made now, which may be over in a moment, or waits for somebody's cure. */
  | { readonly failed: string };

/**
 * How much longer than the ack wait the server keeps a durable that nobody pulls from, in milliseconds. Our words about a message
 * count as life, and while we hold one they come more often than that: a durable that vanished under a message would be made
 * again, and hand out that message a second time, while the first one is with a worker.
 */
const OUTLIVES_MS = 20_000;

export function orderedDurableName(subject: string): string {
  return consumerName(`ordered-${subject}`);
}

/**
 * Makes the durable from which all workers take the messages of one ordered subject, or finds it, with one request. It lets one
 * message out at a time, to whichever worker: the next one comes when that is acked or ended, whatever happens meanwhile.
 *
 * @throws what is neither an answer of JetStream nor the lack of one.
 */
export async function ensureOrderedDurable(
  client: NatsClient,
  { stream, subject, ackWaitMs }: OrderedDurableWanted,
): Promise<OrderedDurable> {
  const name = orderedDurableName(subject);
  const config = {
    name,
    durable_name: name,
    filter_subject: subject,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    max_deliver: -1,
    max_ack_pending: 1,
    inactive_threshold: nanos(ackWaitMs + OUTLIVES_MS),
  };
  const { consumers } = client.manager;
  try {
    await consumers.add(stream, config).catch(async (error) => {
      if (apiErrorCode(error) !== ApiErrorCode.consumerExists) throw error;
      // Of before ACK_WAIT_MS changed, or of somebody who lets out more than one: order rests on these values.
      await consumers.update(stream, name, config);
    });
    return { name };
  } catch (error) {
    const isDenied = errorCode(error) === ErrorCode.PermissionsViolation;
    if (isTemporary(error) || isDenied || apiErrorCode(error) !== undefined)
      return { failed: `cannot take ${subject} from ${stream}: ${errorMessage(error)}` };
    throw error;
  }
}
