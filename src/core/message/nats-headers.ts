/**
 * `publisher`: only publishers write it. `worker`: only workers do, on parked copies and dead letters. `both`: both do. `server`:
 * nats-server does.
 */
type Writer = 'publisher' | 'worker' | 'both' | 'server';

type NatsHeader = { readonly name: string; readonly writtenBy: Writer; readonly meaning: string };

/** The headers of NATS messages that workers read or write: the only place where their names are written. */
export const NATS_HEADERS = {
  messageId: {
    name: 'Nats-Msg-Id',
    writtenBy: 'both',
    meaning: 'The server stores one message for it within the duplicate window of the stream.',
  },
  deliveryId: {
    name: 'Webhook-Delivery-Id',
    writtenBy: 'both',
    meaning: 'The id of the delivery, the same over all its attempts. Sent as `webhook-id`.',
  },
  deliverAt: {
    name: 'Webhook-Deliver-At',
    writtenBy: 'publisher',
    meaning: 'Nothing is sent before this time.',
  },
  expiresAt: {
    name: 'Webhook-Expires-At',
    writtenBy: 'publisher',
    meaning: 'Nothing is sent from this time on.',
  },
  timeToLive: {
    name: 'Nats-TTL',
    writtenBy: 'publisher',
    meaning:
      'The server removes the message so long after its publication, and nothing is sent from then on, also not a copy.',
  },
  markerReason: {
    name: 'Nats-Marker-Reason',
    writtenBy: 'server',
    meaning: 'A delete marker: why the server removed the last message of the subject.',
  },
  storedSize: {
    name: 'Nats-Msg-Size',
    writtenBy: 'server',
    meaning: 'How long the body is, in bytes. The consumer delivers only the headers, and not the body.',
  },
  replayed: {
    name: 'Webhook-Replayed',
    writtenBy: 'publisher',
    meaning: '`true`: an operator sends the message once more. Sent as `webhook-replayed`.',
  },
  eventType: {
    name: 'X-Event-Type',
    writtenBy: 'publisher',
    meaning: 'The type of the event, beside what the payload says of it.',
  },
  payload: {
    name: 'Webhook-Payload',
    writtenBy: 'publisher',
    meaning: '`bare`: the payload is data. A `webhook_url` in it names no endpoint.',
  },
  webhookName: {
    name: 'Webhook-Name',
    writtenBy: 'publisher',
    meaning: 'Of an ordered message: its rows are found as if it had been published to `webhooks.<name>`.',
  },
  orderingKey: {
    name: 'Ordering-Key',
    writtenBy: 'publisher',
    meaning:
      'The ordering key that the subject `webhooks.ordered.<key>` stands for, percent-encoded. It orders nothing by itself.',
  },
  maxAttempts: {
    name: 'Webhook-Max-Attempts',
    writtenBy: 'publisher',
    meaning: 'How many attempts this message gets, 1 to 100, whatever its row and the settings say.',
  },
  params: {
    name: 'Webhook-Params',
    writtenBy: 'publisher',
    meaning: 'Of a bare payload: a JSON object, added to the query of the URL of its row.',
  },
  requestHeaders: {
    name: 'Webhook-Headers',
    writtenBy: 'publisher',
    meaning: 'Of a bare payload: a JSON object, added to the headers of the request.',
  },
  eventId: {
    name: 'Webhook-Event-Id',
    writtenBy: 'publisher',
    meaning: 'The id that the publisher knows the event by, for looking it up.',
  },
  callId: {
    name: 'Webhook-Call-Id',
    writtenBy: 'publisher',
    meaning: "A call of the extension's queue: `<call_id>.<retry_count>`.",
  },
  contentType: {
    name: 'Content-Type',
    writtenBy: 'publisher',
    meaning: 'The type of the body. Sent where neither the message nor the row names one.',
  },
  traceparent: {
    name: 'traceparent',
    writtenBy: 'publisher',
    meaning: 'The trace context (W3C) of the publisher. Sent as it is.',
  },
  tracestate: {
    name: 'tracestate',
    writtenBy: 'publisher',
    meaning: 'What goes with `traceparent`. Sent as it is.',
  },
  attempts: {
    name: 'Webhook-Attempts',
    writtenBy: 'worker',
    meaning: 'Attempts made before the message was copied.',
  },
  originalSubject: {
    name: 'Webhook-Original-Subject',
    writtenBy: 'worker',
    meaning: 'Where the message was published.',
  },
  originalStream: {
    name: 'Webhook-Original-Stream',
    writtenBy: 'worker',
    meaning: 'The stream that the message was published to.',
  },
  originalStreamCreated: {
    name: 'Webhook-Original-Stream-Created',
    writtenBy: 'worker',
    meaning: 'When that stream was made, in milliseconds since 1970: sequences start again with it.',
  },
  originalSequence: {
    name: 'Webhook-Original-Sequence',
    writtenBy: 'worker',
    meaning: 'The sequence of the message in that stream.',
  },
  webhookId: {
    name: 'Webhook-Endpoint-Id',
    writtenBy: 'both',
    meaning:
      'The `webhook_id` of a row of `rule_webhooks`: a bare payload goes to this row and to no other; a parked copy or a dead letter is for it.',
  },
  publishedAt: {
    name: 'Webhook-First-Seen',
    writtenBy: 'worker',
    meaning: 'Of a parked copy: when the message was published (ISO 8601).',
  },
  notBefore: {
    name: 'Webhook-Not-Before',
    writtenBy: 'worker',
    meaning: 'Of a parked copy: before when it is not to be sent (ISO 8601).',
  },
  deadLetterReason: {
    name: 'Webhook-Dead-Letter-Reason',
    writtenBy: 'worker',
    meaning: 'Why the delivery was given up: one word.',
  },
  deadLetterDetail: {
    name: 'Webhook-Dead-Letter-Detail',
    writtenBy: 'worker',
    meaning: 'What went wrong, for a person.',
  },
  deadLetteredAt: {
    name: 'Webhook-Dead-Lettered-At',
    writtenBy: 'worker',
    meaning: 'When the delivery was given up (ISO 8601).',
  },
  parts: {
    name: 'Webhook-Dead-Letter-Parts',
    writtenBy: 'worker',
    meaning: 'Of a dead letter in parts: how many.',
  },
  partBytes: {
    name: 'Webhook-Dead-Letter-Part-Bytes',
    writtenBy: 'worker',
    meaning: 'Of a dead letter in parts: how large each but the last is, in bytes.',
  },
  part: {
    name: 'Webhook-Dead-Letter-Part',
    writtenBy: 'worker',
    meaning: 'Of a part of a dead letter: its number, from 1.',
  },
} as const satisfies Record<string, NatsHeader>;

type Names = { readonly [K in keyof typeof NATS_HEADERS]: (typeof NATS_HEADERS)[K]['name'] };

/** Their names. */
export const Header = Object.fromEntries(
  Object.entries(NATS_HEADERS).map(([key, { name }]) => [key, name]),
) as Names;

const WORKER_HEADERS: ReadonlySet<string> = new Set(
  Object.values(NATS_HEADERS)
    .filter(({ writtenBy }) => writtenBy === 'worker')
    .map(({ name }) => name.toLowerCase()),
);

/**
 * True for a header that only workers write: it describes the past of a message, on a parked copy or a dead letter. On any other
 * message, the header has no meaning: an operator may have published a dead letter again with all its headers. Case does not count.
 */
export function isWorkerHeader(name: string): boolean {
  return WORKER_HEADERS.has(name.toLowerCase());
}

/** In a copy of a message, stands before the name of a header that would change what the server does with the copy. */
export const ESCAPE_PREFIX = 'Webhook-Original-';
