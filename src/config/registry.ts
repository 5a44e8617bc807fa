import { str } from 'envalid';
import { listOf, signingSecret, wholeHours } from './validators.ts';

/** Endpoints of `rule_webhooks`. */
export const registry = {
  /**
   * What happens to messages for a row that is not enabled: `park` keeps them until the row is enabled, `dead-letter`
   * makes dead letters `disabled` of them.
   * @default park. Env DISABLED_ENDPOINT.
   */
  DISABLED_ENDPOINT: str({
    choices: ['park', 'dead-letter'] as const,
    default: 'park',
    desc: 'messages for a row that is not enabled: `park` or `dead-letter`',
  }),

  /**
   * The secret that signs requests to URLs in messages, as in Standard Webhooks: `whsec_<base64>`. While a secret is
   * rotated, give several, comma-separated, the newest first: every secret signs. Endpoints of `rule_webhooks` have their
   * own secrets in `rule_webhook_secrets`. It is never logged.
   * @default none: not signed. Env SIGNING_SECRET.
   */
  SIGNING_SECRET: listOf(signingSecret)({
    default: [],
    desc: 'signs requests to URLs in messages: `whsec_<base64>`',
  }),

  /**
   * A row of `rule_webhooks` is disabled after all attempts at its endpoint failed for this time, in hours. After half of
   * this time, the log warns. The messages of the row stay parked.
   * Too low: an outage of the endpoint disables its row, and an operator must enable the row again.
   * Too high: an endpoint that is gone for good costs probes, and its messages take up disk space.
   * @default 120. Range 0 (never) to 8_760. Env DISABLE_AFTER_HOURS.
   */
  DISABLE_AFTER_HOURS: wholeHours(
    0,
    8760,
  )({ default: 120, desc: 'time of nothing but failures that disables a row (hours); 0: never' }),
};
