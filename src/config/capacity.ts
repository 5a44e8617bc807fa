import { str } from 'envalid';
import { jetStreamName, milliseconds, numberBetween, wholeNumber } from './validators.ts';

/** Capacity of endpoints, and parked messages. */
export const capacity = {
  /**
   * The most attempts at once at one endpoint, by all workers of the group together. Each worker takes its share, and at
   * least one. A row of `rule_nats_endpoints` or `rule_webhooks` overrides it.
   * Too low: messages wait in the parked queue although the endpoint could handle them.
   * Too high: no effect, because the endpoint limiter measures how many the endpoint handles.
   * @default none: as many as the endpoint limiter allows. Range 1 to 10_000. Env ENDPOINT_CONCURRENCY.
   */
  ENDPOINT_CONCURRENCY: wholeNumber(
    1,
    10_000,
  )({ default: undefined, desc: 'most attempts at once at one endpoint, of all workers together' }),

  /**
   * The most requests per second to one endpoint, by all workers of the group together; 0.1 is one in ten seconds. A row
   * of `rule_nats_endpoints` or `rule_webhooks` overrides it.
   * Too low: messages wait in the parked queue for long.
   * Too high: the endpoint answers 429.
   * @default none. Range 0.001 to 100_000. Env ENDPOINT_RATE_LIMIT.
   */
  ENDPOINT_RATE_LIMIT: numberBetween(
    0.001,
    100_000,
  )({ default: undefined, desc: 'most requests per second to one endpoint, of all workers together' }),

  /**
   * What counts as one endpoint for messages that name their URL. `origin`: scheme, host and port. `url`: the URL without its
   * query. `auto`: the origin, and each URL that fails or hangs while other URLs of its origin succeed. Choose `origin` if a URL
   * that fails must stop its whole host. Choose `url` if each URL needs limits of its own. All workers of a group must have the
   * same value.
   * @default auto. Env ENDPOINT_KEY.
   */
  ENDPOINT_KEY: str({
    choices: ['auto', 'origin', 'url'] as const,
    default: 'auto',
    desc: 'what counts as one endpoint: its `origin`, its `url` without the query, or `auto`',
  }),

  /**
   * How long a message waits in its slot for capacity at an endpoint that answers, before it is parked, in milliseconds.
   * An endpoint that answers nothing for this long counts as unresponsive.
   * Too low: messages of short bursts are parked, which costs two more writes in NATS.
   * Too high: a slow endpoint holds slots that others need.
   * @default 200. Range 10 to 10_000. Env PARK_AFTER_MS.
   */
  PARK_AFTER_MS: milliseconds(
    10,
    10_000,
  )({ default: 200, desc: 'wait for capacity before a message is parked (ms)' }),

  /**
   * Parked queues that one worker reads at the same time, and as many queues of ordering keys. If there are more, the worker
   * reads each for up to 10 s, one after the other.
   * Too low: the messages of an endpoint that is back, or of an ordering key, wait until their queue is read.
   * Too high: each queue costs nats-server a consumer, about 50 KB.
   * @default 256. Range 1 to 10_000. Env MAX_OPEN_QUEUES.
   */
  MAX_OPEN_QUEUES: wholeNumber(
    1,
    10_000,
  )({ default: 256, desc: 'parked queues that are read at once, and as many ordering keys' }),

  /**
   * How much memory deferred messages may take in one worker, in bytes: messages that wait for capacity and cannot be
   * parked, because the parked stream is full, or they are too large for it, or they must keep their order.
   * Too low: further messages are requeued again and again, and each redelivery counts as an attempt.
   * Too high: with a full parked stream, or an ordered endpoint that is down, the worker uses all this memory.
   * @default 67_108_864. Range 0 to 4_294_967_296. Env DEFERRED_BYTES.
   */
  DEFERRED_BYTES: wholeNumber(
    0,
    4_294_967_296,
  )({ default: 67_108_864, desc: 'memory for deferred messages, which cannot be parked (bytes)' }),

  /**
   * Endpoints that one worker remembers: how many attempts at once each one handles, and whether it is unhealthy. A few KB
   * each. Above this number, the endpoints without an attempt for the longest time are forgotten, unhealthy ones last.
   * Too low: forgotten endpoints start again as untested. If more endpoints have parked messages, their queues take turns.
   * Too high: the worker needs more memory.
   * @default 50_000. Range 1_000 to 10_000_000. Env MAX_TRACKED_ENDPOINTS.
   */
  MAX_TRACKED_ENDPOINTS: wholeNumber(
    1000,
    10_000_000,
  )({ default: 50_000, desc: 'endpoints that one worker remembers' }),

  /**
   * The stream that keeps parked messages.
   * @default <STREAM_NAME>_PARKED. Env PARKED_STREAM_NAME.
   */
  PARKED_STREAM_NAME: jetStreamName({ default: undefined, desc: 'stream that keeps parked messages' }),
};
