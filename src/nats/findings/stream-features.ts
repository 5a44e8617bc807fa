import type { StreamConfig, StreamSource } from 'nats';
import type { NewerStreamConfig } from './finding.ts';

/** Completes "The stream X …". False: the stream does not have the feature. */
type Feature = (config: NewerStreamConfig) => string | false;

/** Features of any stream that publishers and workers do not notice by themselves. */
const FEATURES: readonly Feature[] = [
  ({ name, max_msgs_per_subject: most, discard, discard_new_per_subject: refuses }) =>
    most > 0 &&
    !(discard === 'new' && refuses) &&
    `keeps only the newest ${most} messages of each subject, and removes older ones, also undelivered ones: ` +
      `\`nats stream edit ${name} --max-msgs-per-subject -1\``,
  ({ allow_msg_ttl }) =>
    allow_msg_ttl === true &&
    'has allow_msg_ttl: NATS removes a message when its Nats-TTL is over, and leaves no dead letter if no worker has taken ' +
      'the message by then; Webhook-Expires-At always leaves a dead letter',
  ({ subject_delete_marker_ttl: ttl }) =>
    (ttl ?? 0) > 0 &&
    'has subject_delete_marker_ttl: workers ack and count the delete markers of NATS, and send none of them',
  ({ republish }) =>
    republish !== undefined &&
    `publishes each message again on ${republish.dest} (republish): deliveries do not change, but if a stream of workers has ` +
      'that subject too, each webhook is sent twice',
  ({ mirror }) =>
    mirror !== undefined &&
    `is a mirror of the stream ${mirror.name}: publishers must publish to that stream, and if workers deliver from both streams, ` +
      'each webhook is sent twice',
  ({ sources }) =>
    (sources ?? []).length > 0 &&
    `copies the messages of ${listed(sources!)} (sources): if workers also deliver from there, each webhook is sent twice`,
  ({ subject_transform: transform }) =>
    transform !== undefined &&
    `changes the subjects of its messages (subject_transform from ${transform.src || '>'} to ${transform.dest}): SUBJECT, and ` +
      'nats_subject of the rows of rule_webhooks, must name the changed subjects',
  ({ no_ack }) =>
    no_ack === true && 'sends no PubAck (no_ack): no publisher can know whether its message is stored',
  // A stream with delete markers or schedules has this feature for its own use.
  ({ allow_rollup_hdrs, subject_delete_marker_ttl: ttl, allow_msg_schedules }) =>
    allow_rollup_hdrs === true &&
    !ttl &&
    allow_msg_schedules !== true &&
    'has allow_rollup_hdrs: a message with Nats-Rollup removes the messages before it, also undelivered ones',
  ({ allow_msg_schedules }) =>
    allow_msg_schedules === true &&
    'has allow_msg_schedules: a worker delivers a schedule itself, at once, and acks it, if its subject matches SUBJECT: give ' +
      'schedules other subjects',
  ({ allow_msg_counter }) =>
    allow_msg_counter === true &&
    'has allow_msg_counter: NATS replaces the body of each message by a counter, and endpoints receive the counter',
  ({ persist_mode }) =>
    persist_mode === 'async' &&
    'has persist_mode async: if nats-server crashes, messages are lost although their publishers had the PubAck',
];

/** What the features of a stream mean for deliveries: each completes "The stream X …". */
export function streamFeatures(config: StreamConfig): string[] {
  return FEATURES.map((feature) => feature(config)).filter((sentence) => sentence !== false);
}

function listed(sources: readonly StreamSource[]): string {
  return sources.map(({ name }) => name).join(', ');
}
