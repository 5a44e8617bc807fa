import { str } from 'envalid';
import { listOf, signingSecret, wholeNumber } from './validators.ts';

/** Endpoints of `rule_webhooks`. */
export const registry = {
  /**
   * What becomes of messages for an endpoint whose row is not enabled: `park` keeps them until it is, `dead-letter` gives
   * them up, `disabled`. @default park. Env DISABLED_ENDPOINT.
   */
  DISABLED_ENDPOINT: str({
    choices: ['park', 'dead-letter'] as const,
    default: 'park',
    desc: 'messages for a row that is not enabled: `park` or `dead-letter`',
  }),

  /**
   * Signs requests to URLs that messages name themselves, as Standard Webhooks do: `whsec_<base64>`; several,
   * comma-separated, the newest first, while receivers change over: all of them sign. Endpoints of `rule_webhooks` have their own in
   * `rule_webhook_secrets`. Never logged. @default none: not signed. Env SIGNING_SECRET.
   */
  SIGNING_SECRET: listOf(signingSecret)({
    default: [],
    desc: 'signs requests to URLs in messages: `whsec_<base64>`',
  }),

  /**
   * An endpoint of `rule_webhooks` that answers nothing but failures for this long is disabled, in hours; half-way, the
   * log warns. Its messages stay parked. @default 120. Range 0 (never) to 8_760. Env DISABLE_AFTER_HOURS.
   */
  DISABLE_AFTER_HOURS: wholeNumber(
    0,
    8760,
  )({ default: 120, desc: 'after which a failing row is disabled (hours); 0: never' }),
};
