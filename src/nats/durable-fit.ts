import { type ConsumerConfig, type ConsumerInfo, nanos } from 'nats';
import { UserError } from '../runtime/failure.ts';
import type { DurableWanted } from './consumers/group-consumer.ts';
import { filtersOf } from './consumers/start-position.ts';

/** @throws {UserError} where a worker cannot deliver from this consumer at all. */
export function requireUsable({ config, name, stream_name: stream }: ConsumerInfo): void {
  const problem = unusable(config);
  if (problem === undefined) return;
  throw new UserError(
    `QUEUE_GROUP: the consumer ${name} of the stream ${stream} ${problem}. Set QUEUE_GROUP to another name, ` +
      `or, when no program uses it any more, remove it: \`nats consumer rm ${stream} ${name}\`.`,
  );
}

/** Later servers know more than the client's types. */
type NewerConfig = ConsumerConfig & { readonly priority_policy?: string };

/** Shorter ones would keep an idle worker busy. */
const SHORTEST_PULL_MS = 100;

function unusable(config: NewerConfig): string | undefined {
  if (config.deliver_subject) return 'is a push consumer, and workers need a pull consumer';
  if (config.ack_policy !== 'explicit')
    return `has ack policy "${config.ack_policy}", and workers need "explicit"`;
  if (config.headers_only) return 'hands out headers only, without the messages';
  if (config.max_expires && config.max_expires < nanos(SHORTEST_PULL_MS))
    return `ends every pull within ${SHORTEST_PULL_MS} ms (max_expires), and asking so often is no waiting`;
  if ((config.priority_policy ?? 'none') !== 'none') return `has priority policy "${config.priority_policy}"`;
  return undefined;
}

/** How a durable that is there differs from the settings; what the server has is used. A sentence each. */
export function durableWarnings(info: ConsumerInfo, wanted: DurableWanted): string[] {
  const { config } = info;
  const edit = `nats consumer edit ${wanted.stream} ${wanted.durable}`;
  const sentences: string[] = [];
  const filters = [...filtersOf(info)].sort().join(', ');
  if (filters !== [...wanted.subjects].sort().join(', ')) {
    sentences.push(
      `takes ${filters}, not SUBJECT=${wanted.subjects.join(',')}: \`${edit} --filter ${wanted.subjects.join(' --filter ')}\``,
    );
  }
  const ackWaitMs = (config.ack_wait ?? 0) / nanos(1);
  if (ackWaitMs !== wanted.ackWaitMs) {
    sentences.push(
      `has ack_wait ${ackWaitMs} ms, not ACK_WAIT_MS=${wanted.ackWaitMs}: \`${edit} --wait ${wanted.ackWaitMs}ms\``,
    );
  }
  const maxAckPending = config.max_ack_pending ?? 0;
  if (maxAckPending !== wanted.maxAckPending) {
    sentences.push(
      `has max_ack_pending ${maxAckPending}, not ${wanted.maxAckPending}: when as many wait for a retry, nothing else is delivered: ` +
        `\`${edit} --max-pending ${wanted.maxAckPending}\``,
    );
  }
  if ((config.max_deliver ?? -1) > 0) {
    sentences.push(
      `hands out a message ${config.max_deliver} times and then forgets it, before MAX_ATTEMPTS may be reached: \`${edit} --max-deliver=-1\``,
    );
  }
  if ((config.backoff ?? []).length > 0) {
    sentences.push(
      'has a backoff of its own, which spoils the delays of our retries: only a consumer that is made anew is without',
    );
  }
  if (info.paused)
    sentences.push(
      `is paused, and hands out nothing: \`nats consumer resume ${wanted.stream} ${wanted.durable}\``,
    );
  return sentences.map((sentence) => `durable ${wanted.durable} ${sentence}`);
}
