import { type ConsumerConfig, type ConsumerInfo, nanos } from 'nats';
import { covers } from '../../core/subject.ts';
import type { Finding } from '../findings/finding.ts';
import { filtersOf } from './start-position.ts';

/** The durable as the settings want it. Null: the value is not known here, and not compared. */
export type ConsumerWanted = {
  readonly stream: string;
  readonly durable: string;
  readonly subjects: readonly string[] | null;
  readonly ackWaitMs: number | null;
  readonly maxAckPending: number;
};

/** Fields of newer servers that the types of the client do not have. */
type NewerConfig = ConsumerConfig & { readonly priority_policy?: string };

/** The shortest max_expires that a worker accepts, in milliseconds. Below: an idle worker would pull all the time. */
const SHORTEST_PULL_MS = 100;

/** Why workers cannot deliver from this consumer: completes "The consumer X …". Undefined: they can. */
export function unusable(config: NewerConfig): string | undefined {
  if (config.deliver_subject) return 'is a push consumer, and workers need a pull consumer';
  if (config.ack_policy !== 'explicit')
    return `has ack policy "${config.ack_policy}", and workers need "explicit"`;
  if (config.headers_only) return 'delivers only the headers of messages (headers_only)';
  if (config.max_expires && config.max_expires < nanos(SHORTEST_PULL_MS))
    return `ends every pull request within ${SHORTEST_PULL_MS} ms (max_expires), so workers would pull all the time`;
  if ((config.priority_policy ?? 'none') !== 'none') return `has priority policy "${config.priority_policy}"`;
  return undefined;
}

/** What the configuration of an existing durable means for deliveries. Workers use the values of the server. */
export function groupConsumerFindings(info: ConsumerInfo, wanted: ConsumerWanted): Finding[] {
  const { config } = info;
  const edit = `nats consumer edit ${wanted.stream} ${wanted.durable}`;
  const findings: Finding[] = [];
  const add = (sentence: string, isProblem = false): void => {
    findings.push({ sentence: `The durable ${wanted.durable} ${sentence}.`, isProblem });
  };
  const filters = filtersOf(info);
  if (wanted.subjects !== null && listed(filters) !== listed(wanted.subjects)) {
    const isMissing = wanted.subjects.some((subject) => !filters.some((filter) => covers(filter, subject)));
    add(
      `takes ${listed(filters)}, not SUBJECT=${wanted.subjects.join(',')}: \`${edit} --filter ${wanted.subjects.join(' --filter ')}\``,
      isMissing,
    );
  }
  const ackWaitMs = (config.ack_wait ?? 0) / nanos(1);
  if (wanted.ackWaitMs !== null && ackWaitMs !== wanted.ackWaitMs) {
    add(
      `has ack_wait ${ackWaitMs} ms, not ACK_WAIT_MS=${wanted.ackWaitMs}: \`${edit} --wait ${wanted.ackWaitMs}ms\``,
    );
  }
  const maxAckPending = config.max_ack_pending ?? 0;
  if (maxAckPending !== wanted.maxAckPending) {
    add(
      `has max_ack_pending ${maxAckPending}, not ${wanted.maxAckPending}: when so many messages wait for a retry, NATS delivers no other message: ` +
        `\`${edit} --max-pending ${wanted.maxAckPending}\``,
    );
  }
  if ((config.max_deliver ?? -1) > 0) {
    add(
      `delivers a message at most ${config.max_deliver} times, which may be before MAX_ATTEMPTS, and then drops the message: \`${edit} --max-deliver=-1\``,
      true,
    );
  }
  if ((config.backoff ?? []).length > 0)
    add(
      'has its own backoff, which makes the delays of our retries wrong: only a new durable has no backoff',
    );
  if (config.replay_policy === 'original')
    add(
      'delivers messages at the speed at which they were published (replay_policy original): only a new durable has replay_policy instant',
    );
  if (config.inactive_threshold)
    add(
      `is removed by NATS when no worker pulls for ${config.inactive_threshold / nanos(1000)} s (inactive_threshold). A worker makes the durable again: \`${edit} --inactive-threshold 0s\``,
    );
  if (config.mem_storage)
    add(
      'keeps its state in memory: when nats-server restarts, messages may be sent again, and counts of attempts start again',
    );
  const fault = unusable(config);
  if (fault !== undefined) add(`${fault}: undo this change of the durable`, true);
  if (info.paused) add(pausedSentence(info), true);
  return findings;
}

/** Completes "The durable X …" for a durable that is paused. */
export function pausedSentence({ stream_name: stream, name, config }: ConsumerInfo): string {
  return `is paused${untilOf(config)}, and delivers nothing: \`nats consumer resume ${stream} ${name}\``;
}

function untilOf({ pause_until: until }: ConsumerConfig): string {
  return until === undefined ? '' : ` until ${until}`;
}

function listed(subjects: readonly string[]): string {
  return [...subjects].sort().join(', ');
}
