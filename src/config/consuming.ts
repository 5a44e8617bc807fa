import {
  defaultConsumerName,
  jetStreamName,
  listOf,
  oneLine,
  parseSubject,
  startPosition,
  wholeNumber,
} from './validators.ts';

/** What is pulled, by whom, and how much at a time. */
export const consuming = {
  /** The JetStream stream that webhooks are published to. Made where it is missing. @default WEBHOOKS. Env STREAM_NAME. */
  STREAM_NAME: jetStreamName({ default: 'WEBHOOKS', desc: 'stream that webhooks are published to' }),

  /**
   * Names this worker: its row of `rule_nats_consumer_stats`. Workers that share a name share a row.
   * It does not name the JetStream consumer: QUEUE_GROUP does.
   * @default webhook-worker-<hostname>. Env CONSUMER_NAME.
   */
  CONSUMER_NAME: oneLine({ default: defaultConsumerName(), desc: "this worker's name in the statistics" }),

  /**
   * Names the one durable consumer that all workers of the group share. Two groups on one stream get every
   * message twice, or are refused by a stream with workqueue retention.
   * @default webhook-workers. Env QUEUE_GROUP.
   */
  QUEUE_GROUP: jetStreamName({
    default: 'webhook-workers',
    desc: 'durable consumer shared by all workers of the group',
  }),

  /** Subjects to deliver, comma-separated. @default webhooks.*. Env SUBJECT. */
  SUBJECT: listOf(parseSubject)({ default: ['webhooks.*'], desc: 'subjects to deliver, comma-separated' }),

  /**
   * Attempts under way at once in this worker: its slots.
   * Too low: slow endpoints limit the throughput to CONCURRENCY / response time. Too high: memory, sockets, and
   * endpoints that see more parallel requests than they bear.
   * @default 256, or BATCH_SIZE where only that is set. Range 1 to 10_000. Env CONCURRENCY.
   */
  CONCURRENCY: wholeNumber(1, 10_000)({ default: 256, desc: 'attempts under way at once (slots)' }),

  /**
   * The most messages that one pull asks for; never more than there are free slots.
   * Set without CONCURRENCY, it is also the number of slots, as in the reference worker.
   * @default none: as many as there are free slots. Range 1 to 10_000. Env BATCH_SIZE.
   */
  BATCH_SIZE: wholeNumber(1, 10_000)({ default: undefined, desc: 'most messages that one pull asks for' }),

  /**
   * How long NATS waits for a worker's word before it hands a message to another, in milliseconds. Workers
   * extend it while they hold a message, so it bounds only how long a dead worker's messages wait.
   * Must be at least twice ATTEMPT_TIMEOUT_MS. Written when the durable is made; a later change only warns.
   * @default 60_000. Range 1_000 to 3_600_000. Env ACK_WAIT_MS.
   */
  ACK_WAIT_MS: wholeNumber(
    1000,
    3_600_000,
  )({ default: 60_000, desc: "after which a dead worker's messages go to another (ms)" }),

  /**
   * Where a durable that is made on a stream with messages starts: `all`, `new`, or a time (ISO 8601).
   * @default none: behind what durables on the same subjects have acknowledged, else all. Env START_FROM.
   */
  START_FROM: startPosition({
    default: undefined,
    desc: 'where a new durable starts: `all`, `new` or a time',
  }),

  /** The stream that keeps dead letters. @default <STREAM_NAME>_DLQ. Env DLQ_STREAM_NAME. */
  DLQ_STREAM_NAME: jetStreamName({ default: undefined, desc: 'stream that keeps dead letters' }),
};
