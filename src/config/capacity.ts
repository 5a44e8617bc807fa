import { str } from 'envalid';
import { jetStreamName, numberBetween, wholeNumber } from './validators.ts';

/** How much of this worker one endpoint may have, and where its messages wait for the rest. */
export const rooms = {
  /**
   * The most attempts at once at one endpoint, by all workers of the group together: each takes its share, at least
   * one. Too low: a backlog waits in the endpoint's queue though it could be delivered. A row of `rule_nats_endpoints` overrides it.
   * @default none: as many as the endpoint has shown to bear. Range 1 to 10_000. Env ENDPOINT_CONCURRENCY.
   */
  ENDPOINT_CONCURRENCY: wholeNumber(
    1,
    10_000,
  )({ default: undefined, desc: 'most attempts at once at one endpoint, of all workers together' }),

  /**
   * The most requests a second to one endpoint, by all workers of the group together; 0.1 is one in ten seconds.
   * A row of `rule_nats_endpoints` overrides it.
   * @default none. Range 0.001 to 100_000. Env ENDPOINT_RATE_LIMIT.
   */
  ENDPOINT_RATE_LIMIT: numberBetween(
    0.001,
    100_000,
  )({ default: undefined, desc: 'most requests a second to one endpoint, of all workers together' }),

  /**
   * What counts as one endpoint for messages with a URL: its `origin` (scheme, host and port), or the `url` without its query.
   * `url` where one host serves many endpoints that fail each on its own. Workers of a group must agree.
   * @default origin. Env ENDPOINT_KEY.
   */
  ENDPOINT_KEY: str({
    choices: ['origin', 'url'] as const,
    default: 'origin',
    desc: 'what counts as one endpoint: its `origin`, or its `url` without the query',
  }),

  /**
   * How long a message waits in its slot for room at an endpoint that answers, before it is parked; an endpoint that
   * answers nothing for this long is taken for silent. In milliseconds.
   * Too low: short bursts take the longer way. Too high: a slow endpoint holds slots that others need.
   * @default 200. Range 10 to 10_000. Env PARK_AFTER_MS.
   */
  PARK_AFTER_MS: wholeNumber(
    10,
    10_000,
  )({ default: 200, desc: 'wait for room before a message is parked (ms)' }),

  /**
   * Share of failed attempts (no connection, timeout, 429, 5xx) from which on an endpoint is left alone, but for probes.
   * Counted from ten attempts on; ten failures in a row are enough at any share, and three of an endpoint that has never
   * answered well. Too low: an endpoint that fails now and then is slowed down. Too high: attempts are used up at one that
   * hardly ever succeeds.
   * @default 0.8. Range 0.05 to 1. Env BREAKER_FAILURE_SHARE.
   */
  BREAKER_FAILURE_SHARE: numberBetween(
    0.05,
    1,
  )({ default: 0.8, desc: 'share of failed attempts from which on only probes are sent' }),

  /**
   * Over how long that share is taken, in milliseconds. Too low: of few attempts, chance decides. Too high: the successes
   * of before keep attempts going to an endpoint that has begun to fail.
   * @default 10_000. Range 1_000 to 600_000. Env BREAKER_WINDOW_MS.
   */
  BREAKER_WINDOW_MS: wholeNumber(
    1000,
    600_000,
  )({ default: 10_000, desc: 'over how long that share is taken (ms)' }),

  /**
   * Endpoints whose parked messages one worker takes out at the same time, and ordered keys beside them; with more, they take
   * turns of up to 10 s. Too low: an endpoint that is back, or a key, waits for its turn. Too high: each costs nats-server a
   * consumer, about 50 KB.
   * @default 256. Range 1 to 10_000. Env MAX_DRAINS.
   */
  MAX_DRAINS: wholeNumber(
    1,
    10_000,
  )({ default: 256, desc: 'queues drained at once: of endpoints, and of ordered keys' }),

  /**
   * How much one worker keeps in memory, in bytes, of the messages that wait for room and cannot be parked: since that stream is
   * full, or they are too large for it, or must keep their order. Too low: what comes beyond it is handed back to NATS, again and
   * again, and each time counts as an attempt. Too high: a full stream, or an ordered endpoint that is down, costs as much memory.
   * @default 67_108_864. Range 0 to 4_294_967_296. Env SET_ASIDE_BYTES.
   */
  SET_ASIDE_BYTES: wholeNumber(
    0,
    4_294_967_296,
  )({ default: 67_108_864, desc: 'kept in memory of what cannot be parked (bytes)' }),

  /**
   * Endpoints that one worker remembers: how many attempts each bears, whether it is in trouble. A few KB each. Beyond it,
   * those that had no attempt for longest are forgotten, those in trouble last, and met again as new ones; where more than
   * that have parked messages, they take turns.
   * @default 50_000. Range 1_000 to 10_000_000. Env ENDPOINTS_KEPT.
   */
  ENDPOINTS_KEPT: wholeNumber(
    1000,
    10_000_000,
  )({ default: 50_000, desc: 'endpoints that one worker remembers' }),

  /** The stream that keeps parked messages. @default <STREAM_NAME>_PARKED. Env PARKED_STREAM_NAME. */
  PARKED_STREAM_NAME: jetStreamName({ default: undefined, desc: 'stream that keeps parked messages' }),
};
