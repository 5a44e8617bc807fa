import { Header } from '../core/message/nats-headers.ts';
import { isReplay } from '../core/request/headers.ts';
import { checkWindow, deliveryWindowOf } from '../core/retry/delivery-window.ts';
import { isPublishable } from '../core/subject.ts';
import { closest } from '../runtime/closest.ts';

/** Headers of a message that a worker reads. */
const READ_BY_WORKERS = [
  Header.deliverAt,
  Header.expiresAt,
  Header.timeToLive,
  Header.deliveryId,
  Header.replayed,
  Header.eventType,
  Header.payload,
  Header.webhookId,
  Header.webhookName,
  Header.maxAttempts,
  Header.params,
  Header.requestHeaders,
  Header.eventId,
];
/** RFC 9110: a token. NATS allows more characters in a name, but clients and workers may not read such a header. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Why a message cannot be published to the subject, for a person; null if it can. */
export function subjectProblem(subject: string): string | null {
  if (isPublishable(subject)) return null;
  return `--subject: "${subject}" is not a subject to publish to; give tokens separated by dots, without white space and wildcards, such as webhooks.orders`;
}

/** Why an id would not arrive unchanged, for a person; null if it would. */
export function idProblem(id: string): string | null {
  if (id.trim() === '') return '--id: an id must not be empty; leave --id out for a random one';
  return CONTROL.test(id) ? '--id: an id must be one line, without control characters' : null;
}

/**
 * Parses NATS headers, each `Name: value`, like a worker. A header that would make a dead letter at once is a problem here. So is
 * a header that workers do not read, if its name is similar to a header that they do read.
 *
 * @param now In milliseconds since 1970.
 */
export function parseNatsHeaders(
  texts: readonly string[],
  now: number,
): { readonly headers: Readonly<Record<string, string>> } | { readonly problem: string } {
  const headers = new Map<string, string>();
  for (const text of texts) {
    const [, name = '', value = ''] = /^([^:]*):\s*(.*)$/s.exec(text) ?? [];
    const wrong = headerProblem(text, name, value, [...headers.keys()]);
    if (wrong !== null) return { problem: `--nats-header: ${wrong}` };
    headers.set(name, value);
  }
  const wrong = meaningProblem(Object.fromEntries(headers), now);
  return wrong === null ? { headers: Object.fromEntries(headers) } : { problem: `--nats-header: ${wrong}` };
}

function headerProblem(text: string, name: string, value: string, others: readonly string[]): string | null {
  const shown = JSON.stringify(text);
  if (!text.includes(':')) return `${shown} is not of the form "Name: value"`;
  if (!NAME.test(name)) {
    return `${shown} has no valid name; a name has letters, digits and -, and no white space`;
  }
  if (CONTROL.test(value)) return `the value of ${name} must be one line, without control characters`;
  const lowerCase = name.toLowerCase();
  if (lowerCase === Header.messageId.toLowerCase()) return `use --id to set ${Header.messageId}`;
  if (lowerCase === Header.orderingKey.toLowerCase())
    return `${Header.orderingKey} alone orders nothing: use --ordering-key`;
  if (others.some((other) => other.toLowerCase() === lowerCase))
    return `${name} is given twice; give it once`;
  if (READ_BY_WORKERS.some((known) => known.toLowerCase() === lowerCase)) return null;
  const meant = closest(name, READ_BY_WORKERS, 2);
  return meant === undefined ? null : `no worker reads ${name}. Did you mean ${meant}?`;
}

/**
 * Why a worker would make a dead letter of a message with these headers at once, for a person; null if it would not.
 *
 * @param now In milliseconds since 1970.
 */
export function meaningProblem(headers: Readonly<Record<string, string>>, now: number): string | null {
  const byLowerCase = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const message = { header: (name: string) => byLowerCase.get(name.toLowerCase()), publishedAt: now };
  const replay = isReplay(message);
  if (typeof replay === 'object') return `the message would become a dead letter: ${replay.problem}`;
  const times = deliveryWindowOf(message, 0);
  if (times.problem !== null) return `the message would become a dead letter: ${times.problem}`;
  const judged = checkWindow(times, now, null);
  return judged?.kind === 'expired' ? `the message would become a dead letter: ${judged.detail}` : null;
}
