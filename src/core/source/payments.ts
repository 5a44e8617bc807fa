/**
 * The source of payments that comes with the product, as `npm start` and `sources set payments --template payments` make it. Without
 * a secret, any `X-Webhook-Signature` is accepted.
 */
export const PAYMENTS_SOURCE: Readonly<Record<string, unknown>> = {
  description: 'Payments: amount is a decimal string',
  signature: 'hmac',
  signature_header: 'X-Webhook-Signature',
  // A refund may have the event id of its payment: the type belongs to the key.
  idempotency_key: 'body:type+event_id',
  event_type: 'body:type',
  event_id: 'body:event_id',
  schema: {
    type: 'object',
    required: ['event_id', 'type', 'amount', 'currency', 'occurred_at'],
    properties: {
      event_id: { type: 'string', minLength: 1, maxLength: 200 },
      type: { type: 'string', minLength: 1, maxLength: 200 },
      amount: {
        type: 'string',
        maxLength: 40,
        pattern: '^-?[0-9]+(\\.[0-9]+)?$',
        description: 'a decimal number as a string, such as "5000" or "12.50"',
      },
      currency: {
        type: 'string',
        pattern: '^[A-Z]{3}$',
        description: 'three capital letters of ISO 4217, such as "NGN"',
      },
      occurred_at: {
        type: 'string',
        format: 'date-time',
        description: 'a time with its zone, such as "2026-01-10T12:00:00Z"',
      },
    },
  },
};

/** The sources that come with the product, by name. */
export const TEMPLATES: ReadonlyMap<string, Readonly<Record<string, unknown>>> = new Map([
  ['payments', PAYMENTS_SOURCE],
]);
