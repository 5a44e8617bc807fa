import { checkCidr } from '../core/endpoint/address.ts';
import {
  hours,
  listOf,
  milliseconds,
  parsePort,
  parseStatus,
  proxyUrl,
  retrySchedule,
  wholeNumber,
} from './validators.ts';

/** Attempts and retries. */
export const attempts = {
  /**
   * Attempts for one delivery before it becomes a dead letter. The first attempt counts. An attempt is one HTTP request, or two if
   * a kept connection breaks. Rows of `rule_webhooks` have their own `max_retries`.
   * Too low: a short outage makes dead letters.
   * Too high: a message that can never succeed is sent again for a long time.
   * @default 7, or one more than RETRY_SCHEDULE has delays. Range 1 to 100. Env MAX_ATTEMPTS.
   */
  MAX_ATTEMPTS: wholeNumber(1, 100)({ default: 7, desc: 'attempts before a dead letter; the first counts' }),

  /**
   * The delays before the second, third and each further attempt, comma-separated, each with its unit, such as
   * `1s,2s,4s,8s,16s,32s,5m,30m,2h,5h,10h,10h`. `standard` is the schedule of Standard Webhooks:
   * `5s,5m,30m,2h,5h,10h,14h,20h,24h`. Each delay differs by up to 25 % at random. It replaces BACKOFF_BASE_MS and
   * BACKOFF_MAX_MS for messages that name their URL. If MAX_ATTEMPTS asks for more attempts, the last delay is repeated. Rows
   * of `rule_webhooks` have their own `retry_schedule`.
   * Too low: an outage that lasts longer makes dead letters.
   * Too high: a message that can never succeed is kept for long, and messages of its ordering key wait behind it.
   * @default none: BACKOFF_BASE_MS, doubled. Each 1ms to 7d, at most 99 delays. Env RETRY_SCHEDULE.
   */
  RETRY_SCHEDULE: retrySchedule({
    default: undefined,
    desc: 'delays between attempts, such as `1s,1m,1h`, or `standard`',
  }),

  /**
   * Delay before the second attempt, in milliseconds. It doubles with every further attempt, and differs by up to 25 % at
   * random.
   * Too low: all attempts are over before the endpoint is back.
   * Too high: a message that failed once comes late.
   * @default 1_000. Range 1 to 3_600_000. Env BACKOFF_BASE_MS.
   */
  BACKOFF_BASE_MS: milliseconds(
    1,
    3_600_000,
  )({ default: 1000, desc: 'delay before the second attempt; doubles, ±25 % (ms)' }),

  /**
   * The longest delay between two attempts, in milliseconds. At least BACKOFF_BASE_MS.
   * Too low: all attempts are over soon, even if there are many.
   * Too high: the last attempts come late.
   * @default 300_000. Range 1 to 86_400_000. Env BACKOFF_MAX_MS.
   */
  BACKOFF_MAX_MS: milliseconds(
    1,
    86_400_000,
  )({ default: 300_000, desc: 'longest delay between two attempts (ms)' }),

  /**
   * The longest `Retry-After` that the worker accepts, in milliseconds. A longer one is shortened to this time.
   * Too low: the worker sends the next attempt before the endpoint wants it.
   * Too high: an endpoint can delay its messages for a long time.
   * @default 3_600_000. Range 0 (Retry-After is ignored) to 86_400_000. Env RETRY_AFTER_MAX_MS.
   */
  RETRY_AFTER_MAX_MS: milliseconds(
    0,
    86_400_000,
  )({ default: 3_600_000, desc: 'longest `Retry-After` that is believed (ms)' }),

  /**
   * HTTP statuses that are not retried, comma-separated. Such an answer makes a dead letter `rejected` at once.
   * @default none. Each 300 to 599. Env TERMINAL_STATUSES.
   */
  TERMINAL_STATUSES: listOf(parseStatus)({
    default: [],
    desc: 'statuses that are dead-lettered at once, such as `400,404`',
  }),

  /**
   * How old a webhook may become before it is given up as `expired`, in hours; 0.5 is half an hour. The age counts from
   * the publication of the webhook, or from its `Webhook-Deliver-At`.
   * Too low: webhooks expire while an endpoint is down, and that endpoint never gets them.
   * Too high: an endpoint that comes back receives old webhooks.
   * @default 0: no limit. Range 0 to 87_600. Env MAX_AGE_HOURS.
   */
  MAX_AGE_HOURS: hours(
    0,
    87_600,
  )({ default: 0, desc: 'age at which a webhook is given up, `expired` (hours); 0: never' }),

  /**
   * How long one attempt may take, from dialing to the end of the response, in milliseconds. At most half of ACK_WAIT_MS.
   * If the status has come by then, it counts, and the rest of the response is not waited for.
   * Too low: slow endpoints are retried although they succeeded, and receive the webhook twice.
   * Too high: a few slow endpoints hold every slot.
   * @default 30_000. Range 100 to 300_000. Env ATTEMPT_TIMEOUT_MS.
   */
  ATTEMPT_TIMEOUT_MS: milliseconds(100, 300_000)({ default: 30_000, desc: 'limit of one attempt (ms)' }),

  /**
   * How long dialing (DNS, TCP, TLS) may take, in milliseconds.
   * Too low: endpoints that are far away cannot be reached.
   * Too high: attempts at an endpoint that is gone hold their slots for long.
   * @default 5_000. Range 50 to 60_000. Env CONNECT_TIMEOUT_MS.
   */
  CONNECT_TIMEOUT_MS: milliseconds(
    50,
    60_000,
  )({ default: 5000, desc: 'limit of dialing: DNS, TCP, TLS (ms)' }),

  /**
   * Idle connections to endpoints that are kept for the next delivery. Connections in use do not count. The least recently
   * used ones are closed first. Each costs about 50 KB and a file descriptor. Through EGRESS_PROXY this setting has no
   * effect: each connection stays open for 4 s after its use, or up to 60 s if the endpoint asks for that.
   * Too low: deliveries to many endpoints open a new connection each time, with TLS.
   * Too high: the worker needs more memory and file descriptors.
   * @default 1_000. Range 0 to 100_000. Env MAX_IDLE_CONNECTIONS.
   */
  MAX_IDLE_CONNECTIONS: wholeNumber(
    0,
    100_000,
  )({ default: 1000, desc: 'idle connections that are kept for the next delivery' }),

  /**
   * How much of a response is read, in bytes. A longer response is cut off, and counts by its status.
   * Too low: after each longer response the connection is closed, and the next attempt opens a new one.
   * Too high: an endpoint can keep an attempt busy with a long response.
   * @default 16_384. Range 0 to 10_485_760. Env MAX_RESPONSE_BYTES.
   */
  MAX_RESPONSE_BYTES: wholeNumber(
    0,
    10_485_760,
  )({ default: 16_384, desc: 'how much of a response is read (bytes)' }),

  /**
   * Networks that deliveries may reach although they are loopback, private or reserved: CIDRs, comma-separated.
   * @default none. Env ALLOWED_PRIVATE_CIDRS.
   */
  ALLOWED_PRIVATE_CIDRS: listOf(checkCidr)({
    default: [],
    desc: 'private networks that may be reached, such as `10.1.0.0/16`',
  }),

  /**
   * Ports that deliveries may go to, comma-separated.
   * @default none: all ports. Each 1 to 65_535. Env ALLOWED_PORTS.
   */
  ALLOWED_PORTS: listOf(parsePort)({
    default: [],
    desc: 'ports that may be reached, such as `443,8443`; empty: all',
  }),

  /**
   * A forward proxy: all deliveries go through it, by CONNECT. The proxy resolves the names, so the proxy must refuse
   * addresses that deliveries may not reach. The worker still checks IP addresses in URLs. A user and a password in the URL
   * are sent to the proxy. While the proxy is away, deliveries wait in their slots, and no attempt is counted.
   * @default none. Env EGRESS_PROXY.
   */
  EGRESS_PROXY: proxyUrl({ default: undefined, desc: 'forward proxy for deliveries, `http://proxy:3128`' }),
};
