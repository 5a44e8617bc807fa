import { RequestHeader } from '../core/request/header-names.ts';
import { printable } from '../runtime/printable.ts';
import type { ReceivedRequest } from './receiver.ts';

/** Headers that do not describe the event, or that must not be shown. */
const NOT_SHOWN =
  /^(host|connection|content-length|transfer-encoding|user-agent|accept.*|sec-.*|authorization|cookie|.*(secret|token|api-?key).*|webhook-(id|timestamp|signature)|traceparent|tracestate)$/;

/**
 * A request as one line for a person: `12:30:01.250  POST /hook  200  webhook-id=… attempt=2  x-event-type: user.created
 * {"a":1}`. The line is printed before the answer is sent, so `200 in 60 s` stands for an answer that is delayed.
 *
 * @param bodyBytes How much of the body is shown, in bytes.
 */
export function requestLine(request: ReceivedRequest, bodyBytes: number): string {
  const parts = [
    clockOf(request.at),
    `${request.method} ${request.path}`,
    answerOf(request),
    request.webhookId === undefined
      ? 'no webhook-id'
      : `webhook-id=${request.webhookId} attempt=${request.attempt}`,
    ...eventHeaders(request),
    bodyStart(request, bodyBytes),
  ];
  return parts
    .filter((part) => part !== '')
    .map(printable)
    .join('  ');
}

function answerOf({ status, delayMs }: ReceivedRequest): string {
  if (delayMs === 0) return String(status);
  return `${status} in ${delayMs < 1000 ? `${delayMs} ms` : `${delayMs / 1000} s`}`;
}

function eventHeaders({ headers }: ReceivedRequest): string[] {
  return Object.entries(headers)
    .filter(
      ([name, value]) =>
        !NOT_SHOWN.test(name) && !(name === RequestHeader.contentType && value === 'application/json'),
    )
    .map(([name, value]) => `${name}: ${value}`);
}

function bodyStart({ body, bodyBytes }: ReceivedRequest, shown: number): string {
  if (shown === 0) return bodyBytes === 0 ? '' : `(${bodyBytes} bytes)`;
  const text = body.subarray(0, shown).toString();
  return bodyBytes > shown ? `${text}… (${bodyBytes} bytes)` : text;
}

/** Local time, to the millisecond. */
function clockOf(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const seconds = `${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
  return `${two(at.getHours())}:${two(at.getMinutes())}:${seconds}`;
}
