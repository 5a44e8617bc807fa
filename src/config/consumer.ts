import {
  defaultConsumerName,
  jetStreamName,
  listOf,
  milliseconds,
  oneLine,
  parseSubject,
  startPosition,
  wholeNumber,
} from './validators.ts';

/** Which messages a worker delivers, and how many at once. */
export const consumer = {
  /**
   * The JetStream stream that webhooks are published to. The worker makes it if it is missing.
   * @default WEBHOOKS. Env STREAM_NAME.
   */
  STREAM_NAME: jetStreamName({ default: 'WEBHOOKS', desc: 'stream that webhooks are published to' }),

  /**
   * Names this worker: its row of `rule_nats_consumer_stats`. Workers with the same name share a row. It does not name the
   * JetStream consumer: QUEUE_GROUP does.
   * @default webhook-worker-<hostname>. Env CONSUMER_NAME.
   */
  CONSUMER_NAME: oneLine({ default: defaultConsumerName(), desc: "this worker's name in the statistics" }),

  /**
   * Names the one durable consumer that all workers of the group share. Two groups on one stream deliver each message once each,
   * with parked copies and dead letters of their own.
   * A stream with workqueue retention refuses the second group.
   * @default webhook-workers. Env QUEUE_GROUP.
   */
  QUEUE_GROUP: jetStreamName({
    default: 'webhook-workers',
    desc: 'durable consumer shared by all workers of the group',
  }),

  /**
   * Subjects whose messages are delivered, comma-separated. The API and the relay publish to one of them: `webhooks.<name>` if
   * `webhooks.*` is among them, else `events.<name>` for the first one that ends in a wildcard, such as `events.*`.
   * @default webhooks.*. Env SUBJECT.
   */
  SUBJECT: listOf(parseSubject)({ default: ['webhooks.*'], desc: 'subjects to deliver, comma-separated' }),

  /**
   * Attempts in flight at once in this worker: its slots.
   * Too low: slow endpoints limit the throughput to CONCURRENCY / response time.
   * Too high: the worker needs more memory and sockets, and endpoints get more parallel requests than they can handle.
   * @default 256, or BATCH_SIZE if only that is set. Range 1 to 10_000. Env CONCURRENCY.
   */
  CONCURRENCY: wholeNumber(1, 10_000)({ default: 256, desc: 'attempts in flight at once (slots)' }),

  /**
   * The most messages that one pull asks for, and never more than there are free slots. If CONCURRENCY is not set, this is
   * also the number of slots, as in the reference worker.
   * Too low: a worker sends more pulls.
   * Too high: nothing changes if CONCURRENCY is set, because the free slots are the bound.
   * @default none: as many as there are free slots. Range 1 to 10_000. Env BATCH_SIZE.
   */
  BATCH_SIZE: wholeNumber(1, 10_000)({ default: undefined, desc: 'most messages that one pull asks for' }),

  /**
   * How long NATS waits for an ack, or for a sign of work, before it redelivers a message to another worker, in
   * milliseconds. Workers extend this time while they hold a message, so it only bounds how long the messages of a dead
   * worker wait. At least twice ATTEMPT_TIMEOUT_MS. The value is written when the consumer is created. If the setting
   * differs later, the worker warns.
   * Too low: a worker that pauses for a moment loses its messages, and endpoints receive them twice.
   * Too high: the messages of a dead worker wait for a long time.
   * @default 60_000. Range 1_000 to 3_600_000. Env ACK_WAIT_MS.
   */
  ACK_WAIT_MS: milliseconds(
    1000,
    3_600_000,
  )({ default: 60_000, desc: 'time after which the messages of a dead worker go to another (ms)' }),

  /**
   * Where a new consumer starts on a stream that has messages: `all`, `new`, or a time (ISO 8601).
   * @default none: after the messages that another consumer of the same subjects has acked, else `all`. Env START_FROM.
   */
  START_FROM: startPosition({
    default: undefined,
    desc: 'where a new durable starts: `all`, `new` or a time',
  }),

  /**
   * The stream that keeps dead letters.
   * @default <STREAM_NAME>_DLQ. Env DLQ_STREAM_NAME.
   */
  DLQ_STREAM_NAME: jetStreamName({ default: undefined, desc: 'stream that keeps dead letters' }),
};
