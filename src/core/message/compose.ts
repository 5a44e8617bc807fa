import { parseHeaders } from '../request/headers.ts';
import type { Malformed } from '../request/malformed.ts';
import { parseParams } from '../request/params.ts';
import { isPublishable } from '../subject.ts';
import { ACCEPTED_TIMES, isoTime, parseTime } from '../time.ts';
import { createMessageParser } from './envelope.ts';
import { MOST_ATTEMPTS } from './message-parameters.ts';
import { Header } from './nats-headers.ts';
import { encodeOrderingKey, orderingKeyProblem, orderingToken } from './ordering-key.ts';
import { type TraceContext, validTraceContext } from './trace-context.ts';

/** What a program wants to publish. Undefined: left out. */
export type WebhookParts = {
  /** The last token of the subject: `orders` for `webhooks.orders`. Has no dot. */
  readonly name: string;
  /** Sent byte for byte, or an envelope. */
  readonly body: Uint8Array;
  /** True: workers read `webhook_url` in the body. False: the body is data, whatever it holds. @default false */
  readonly isEnvelope?: boolean | undefined;
  /** Any text of at most 200 bytes: messages with the same key arrive one after the other. */
  readonly orderingKey?: string | undefined;
  readonly contentType?: string | undefined;
  readonly eventType?: string | undefined;
  readonly eventId?: string | undefined;
  /** ISO 8601 with a zone, Unix seconds as text, or milliseconds since 1970 as a number. */
  readonly deliverAt?: string | number | undefined;
  readonly expiresAt?: string | number | undefined;
  /** 1 to 100. Counts the first attempt. */
  readonly maxAttempts?: number | undefined;
  /** `webhook_id` of a row of `rule_webhooks`. Only for a body that is data. */
  readonly endpointId?: number | undefined;
  /** Headers of the request. Only for a body that is data: an envelope has its own. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Added to the query of the URL. Only for a body that is data. */
  readonly params?: Readonly<Record<string, string>> | undefined;
  /** `<call_id>.<retry_count>` of a call of the extension's queue. */
  readonly callId?: string | undefined;
  /** A trace context that is not valid is left out. */
  readonly trace?: TraceContext | undefined;
};

/** Where a webhook is published, and under which ids. */
export type PublishedAs = {
  /** What stands before the name in the subject. @default 'webhooks' */
  readonly prefix?: string | undefined;
  /** `Webhook-Delivery-Id`, sent as `webhook-id`. Undefined: `messageId` is sent. */
  readonly deliveryId?: string | undefined;
  /** `Nats-Msg-Id`: begins with the origin (`api-`, `outbox-`, `call-`, `publish-`). No colon: Svix refuses one in an id. */
  readonly messageId?: string | undefined;
};

/** `subject`, `body` and NATS headers of a message; or which part is wrong (a JSON pointer), and why, for a person. */
export type ComposedWebhook =
  | {
      readonly subject: string;
      readonly body: Uint8Array;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly invalid: { readonly pointer: string; readonly detail: string } };

const LONGEST_NAME = 255;
/** Of a type or an id, in characters. */
const LONGEST_TEXT = 255;
const NOT_BLANK = /\S/;
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/;
/** What HTTP allows in the value of a header: see `headers.ts`. */
const HTTP_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const parseMessage = createMessageParser();

/**
 * Makes the message of a webhook: the only function that decides its subject and its NATS headers. A message that would become a
 * dead letter at once is invalid here. An ordering key moves it to `<prefix>.ordered.<token>`, and the name into a header.
 */
export function composeWebhook(parts: WebhookParts, publishedAs: PublishedAs = {}): ComposedWebhook {
  const { name, body, orderingKey, isEnvelope = false } = parts;
  const { prefix = 'webhooks', messageId, deliveryId } = publishedAs;
  const headers: Record<string, string> = {};
  const wrong =
    nameProblem(name, prefix) ??
    orderProblem(orderingKey) ??
    idProblem('/delivery_id', deliveryId) ??
    idProblem('/message_id', messageId) ??
    textProblems(parts) ??
    timesInto(headers, parts) ??
    attemptsInto(headers, parts) ??
    (isEnvelope ? envelopeProblem(parts) : dataInto(headers, parts));
  if (wrong !== null) return { invalid: wrong };
  put(headers, Header.messageId, messageId);
  put(headers, Header.deliveryId, deliveryId);
  put(headers, Header.contentType, parts.contentType);
  put(headers, Header.eventType, parts.eventType);
  put(headers, Header.eventId, parts.eventId);
  put(headers, Header.callId, parts.callId);
  if (parts.trace !== undefined) {
    const { traceparent, tracestate } = validTraceContext(parts.trace);
    put(headers, Header.traceparent, traceparent);
    put(headers, Header.tracestate, tracestate);
  }
  if (orderingKey === undefined) return { subject: `${prefix}.${name}`, body, headers };
  headers[Header.webhookName] = name;
  headers[Header.orderingKey] = encodeOrderingKey(orderingKey);
  return { subject: `${prefix}.ordered.${orderingToken(orderingKey)}`, body, headers };
}

type Wrong = { readonly pointer: string; readonly detail: string } | null;

function nameProblem(name: string, prefix: string): Wrong {
  const isToken = isPublishable(`${prefix}.${name}`) && !name.includes('.') && name.isWellFormed();
  if (isToken && name.length <= LONGEST_NAME && !CONTROL.test(name)) return null;
  const detail = `a name is one token of a subject: up to ${LONGEST_NAME} characters, without dots, white space and wildcards`;
  return { pointer: '/name', detail };
}

function orderProblem(key: string | undefined): Wrong {
  const detail = key === undefined ? null : orderingKeyProblem(key);
  return detail === null ? null : { pointer: '/ordering_key', detail };
}

function textProblems(parts: WebhookParts): Wrong {
  return (
    idProblem('/event_type', parts.eventType) ??
    idProblem('/event_id', parts.eventId) ??
    idProblem('/call_id', parts.callId) ??
    valueProblem('/content_type', parts.contentType)
  );
}

function idProblem(pointer: string, text: string | undefined): Wrong {
  if (text === undefined) return null;
  if (text.length <= LONGEST_TEXT && NOT_BLANK.test(text) && !CONTROL.test(text) && text.isWellFormed())
    return null;
  return {
    pointer,
    detail: `it must be 1 to ${LONGEST_TEXT} characters in one line, without control characters`,
  };
}

function valueProblem(pointer: string, text: string | undefined): Wrong {
  if (text === undefined || (HTTP_VALUE.test(text) && !CONTROL.test(text))) return null;
  return { pointer, detail: 'it has characters that HTTP does not allow' };
}

function timesInto(headers: Record<string, string>, { deliverAt, expiresAt }: WebhookParts): Wrong {
  const due = timeOf(deliverAt);
  if (due === null) return { pointer: '/deliver_at', detail: `it is not a time: ${ACCEPTED_TIMES}` };
  const end = timeOf(expiresAt);
  if (end === null) return { pointer: '/expires_at', detail: `it is not a time: ${ACCEPTED_TIMES}` };
  if (due !== undefined && end !== undefined && end <= due)
    return {
      pointer: '/expires_at',
      detail: `${isoTime(end)} is not after the time to deliver at, ${isoTime(due)}`,
    };
  if (due !== undefined) headers[Header.deliverAt] = isoTime(due);
  if (end !== undefined) headers[Header.expiresAt] = isoTime(end);
  return null;
}

function timeOf(given: string | number | undefined): number | null | undefined {
  if (given === undefined) return undefined;
  return parseTime(typeof given === 'number' ? String(given / 1000) : given.trim());
}

function attemptsInto(headers: Record<string, string>, { maxAttempts }: WebhookParts): Wrong {
  if (maxAttempts === undefined) return null;
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1 || maxAttempts > MOST_ATTEMPTS)
    return { pointer: '/max_attempts', detail: `it must be a whole number from 1 to ${MOST_ATTEMPTS}` };
  headers[Header.maxAttempts] = String(maxAttempts);
  return null;
}

function envelopeProblem({ body, endpointId, headers, params }: WebhookParts): Wrong {
  if (endpointId !== undefined)
    return { pointer: '/endpoint', detail: 'a webhook goes to an endpoint or to a URL, not to both' };
  if (headers !== undefined || params !== undefined)
    throw new TypeError('the headers and params of an envelope stand in the envelope');
  const parsed = parseMessage({ data: body, header: () => undefined });
  if ('detail' in parsed) return { pointer: '/webhook_url', detail: parsed.detail };
  return parsed.kind === 'bare' ? { pointer: '/webhook_url', detail: 'it is missing' } : null;
}

function dataInto(into: Record<string, string>, { endpointId, headers, params }: WebhookParts): Wrong {
  into[Header.payload] = 'bare';
  if (endpointId !== undefined) {
    if (!Number.isSafeInteger(endpointId))
      return { pointer: '/endpoint', detail: 'it must be a whole number' };
    into[Header.webhookId] = String(endpointId);
  }
  return (
    jsonInto(into, Header.requestHeaders, '/headers', headers, parseHeaders) ??
    jsonInto(into, Header.params, '/url_params', params, parseParams)
  );
}

/** The check is the one of the worker. */
function jsonInto(
  into: Record<string, string>,
  header: string,
  pointer: string,
  values: Readonly<Record<string, string>> | undefined,
  check: (json: Uint8Array) => Malformed | object | string,
): Wrong {
  if (values === undefined || Object.keys(values).length === 0) return null;
  const json = asciiJson(values);
  const checked = check(Buffer.from(json));
  if (typeof checked === 'object' && 'detail' in checked)
    return { pointer, detail: checked.detail as string };
  into[header] = json;
  return null;
}

/** JSON in ASCII: not every client of NATS reads the values of headers as UTF-8. */
function asciiJson(values: Readonly<Record<string, string>>): string {
  return JSON.stringify(values).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function put(headers: Record<string, string>, name: string, value: string | undefined): void {
  if (value !== undefined) headers[name] = value;
}
