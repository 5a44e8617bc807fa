import type { Message } from '../../src/delivery/message.ts';

/** A message as JetStream delivers it. */
export function message(
  body: unknown,
  rest: Partial<Omit<Message, 'header'>> & { headers?: Record<string, string> } = {},
): Message {
  const { headers = {}, ...fields } = rest;
  return {
    subject: 'webhooks.test',
    data: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    stream: 'WEBHOOKS',
    streamCreatedAt: 1_700_000_000_000,
    sequence: 7,
    attemptNumber: 1,
    isRedelivery: false,
    deliveryCount: 1,
    isParkedCopy: false,
    isRedeliveredCopy: false,
    isFirstDeliveryOfDelayed: false,
    parkedEndpointKey: null,
    webhookId: null,
    orderingKey: null,
    receivedAt: 0,
    publishedAt: 1000,
    storedAt: 1000,
    notBefore: null,
    pending: 0,
    deliverySequence: 1,
    size: 100,
    detach: () => {},
    header: (name) => headers[name],
    ...fields,
  };
}

export const ENVELOPE = { webhook_url: 'https://example.com/hook?token=secret', data: { n: 1 } };
