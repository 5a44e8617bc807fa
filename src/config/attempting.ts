import { checkCidr } from '../core/endpoint/address.ts';
import { listOf, numberBetween, parsePort, parseStatus, proxyUrl, wholeNumber } from './validators.ts';

/** One attempt, and when there is another. */
export const attempting = {
  /**
   * HTTP requests for one delivery before it becomes a dead letter; the first counts.
   * @default 7. Range 1 to 100. Env MAX_ATTEMPTS.
   */
  MAX_ATTEMPTS: wholeNumber(1, 100)({ default: 7, desc: 'attempts before a dead letter; the first counts' }),

  /**
   * Delay before the second attempt, in milliseconds; doubled for each one after, +-25 % at random.
   * @default 1_000. Range 1 to 3_600_000. Env BACKOFF_BASE_MS.
   */
  BACKOFF_BASE_MS: wholeNumber(
    1,
    3_600_000,
  )({ default: 1000, desc: 'delay before the second attempt; doubles, +-25 % (ms)' }),

  /** The longest delay between two attempts, in milliseconds. @default 300_000. Range 1 to 86_400_000. Env BACKOFF_MAX_MS. */
  BACKOFF_MAX_MS: wholeNumber(
    1,
    86_400_000,
  )({ default: 300_000, desc: 'longest delay between two attempts (ms)' }),

  /**
   * The longest Retry-After that is believed, in milliseconds. A longer one counts as this long.
   * @default 3_600_000. Range 0 (Retry-After is ignored) to 86_400_000. Env RETRY_AFTER_MAX_MS.
   */
  RETRY_AFTER_MAX_MS: wholeNumber(
    0,
    86_400_000,
  )({ default: 3_600_000, desc: 'longest Retry-After that is believed (ms)' }),

  /**
   * Statuses that no retry can cure, comma-separated: dead letter `rejected` at once.
   * @default none. Each 300 to 599. Env TERMINAL_STATUSES.
   */
  TERMINAL_STATUSES: listOf(parseStatus)({
    default: [],
    desc: 'statuses that are dead-lettered at once, such as `400,404`',
  }),

  /**
   * How old a webhook may become before it is given up, `expired`, counted from when it was published or from its
   * `Webhook-Deliver-At`; in hours, 0.5 is half an hour. Too low: what waits for an endpoint that is down for long is lost to it.
   * @default 0: as old as it likes. Range 0 to 87_600. Env MAX_AGE_HOURS.
   */
  MAX_AGE_HOURS: numberBetween(
    0,
    87_600,
  )({ default: 0, desc: 'after which a webhook is given up, `expired` (hours); 0: never' }),

  /**
   * How long one attempt may take, from dialing to the end of the response, in milliseconds.
   * Too low: slow endpoints are retried though they worked (they receive twice).
   * Too high: a few slow endpoints hold every slot. At most half of ACK_WAIT_MS.
   * @default 30_000. Range 100 to 300_000. Env ATTEMPT_TIMEOUT_MS.
   */
  ATTEMPT_TIMEOUT_MS: wholeNumber(100, 300_000)({ default: 30_000, desc: 'limit of one attempt (ms)' }),

  /** How long dialing (DNS, TCP, TLS) may take, in milliseconds. @default 5_000. Range 50 to 60_000. Env CONNECT_TIMEOUT_MS. */
  CONNECT_TIMEOUT_MS: wholeNumber(50, 60_000)({ default: 5000, desc: 'limit of dialing (ms)' }),

  /**
   * Connections that are kept for the next delivery to their endpoints, beside those in use: those that were not used for longest are
   * closed first. About 50 KB and a file descriptor each. Too low: deliveries to many endpoints dial anew each time, with TLS.
   * Through EGRESS_PROXY each lasts 4 s after its use, or up to 60 s as the endpoint asks, however many there are.
   * @default 1_000. Range 0 to 100_000. Env IDLE_CONNECTIONS.
   */
  IDLE_CONNECTIONS: wholeNumber(
    0,
    100_000,
  )({ default: 1000, desc: 'connections kept for the next delivery' }),

  /**
   * How much of a response is read, in bytes; a longer one is cut off, and counts by its status.
   * @default 16_384. Range 0 to 10_485_760. Env MAX_RESPONSE_BYTES.
   */
  MAX_RESPONSE_BYTES: wholeNumber(
    0,
    10_485_760,
  )({ default: 16_384, desc: 'how much of a response is read (bytes)' }),

  /**
   * Networks that deliveries may reach though they are loopback, private or reserved: CIDRs, comma-separated.
   * @default none. Env ALLOWED_PRIVATE_CIDRS.
   */
  ALLOWED_PRIVATE_CIDRS: listOf(checkCidr)({
    default: [],
    desc: 'private networks that may be reached, such as `10.1.0.0/16`',
  }),

  /** Ports that deliveries may go to, comma-separated. @default none: all ports. Each 1 to 65_535. Env ALLOWED_PORTS. */
  ALLOWED_PORTS: listOf(parsePort)({
    default: [],
    desc: 'ports that may be reached, such as `443,8443`; empty: all',
  }),

  /**
   * A forward proxy that all deliveries go through, by CONNECT. It resolves the names, so it must refuse
   * addresses that they may not reach; addresses in URLs are judged here all the same. Userinfo in it is sent to the proxy.
   * While it is away deliveries wait in their slots, and no attempt is counted.
   * @default none. Env EGRESS_PROXY.
   */
  EGRESS_PROXY: proxyUrl({ default: undefined, desc: 'forward proxy for deliveries, `http://proxy:3128`' }),
};
