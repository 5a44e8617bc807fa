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
   * Signs requests to URLs that messages name themselves, as Standard Webhooks say: `whsec_<base64>`. While receivers
   * change over, give several, comma-separated, the newest first: all of them sign. Endpoints of `rule_webhooks` have
   * their own secrets in `rule_webhook_secrets`. It is never logged.
   * @default none: not signed. Env SIGNING_SECRET.
   */
  SIGNING_SECRET: listOf(signingSecret)({
    default: [],
    desc: 'signs requests to URLs in messages: `whsec_<base64>`',
  }),

  /**
   * A row of `rule_webhooks` that answers nothing but failures for this long is disabled, in hours. Half-way, the log
   * warns. Its messages stay parked.
   * Too low: an outage of the endpoint disables its row, and somebody must enable it again.
   * Too high: an endpoint that is gone for good costs probes, and its messages take up disk space.
   * @default 120. Range 0 (never) to 8_760. Env DISABLE_AFTER_HOURS.
   */
  DISABLE_AFTER_HOURS: wholeHours(
    0,
    8760,
  )({ default: 120, desc: 'time of nothing but failures that disables a row (hours); 0: never' }),
};
