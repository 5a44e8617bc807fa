import { composeWebhook } from '../core/message/compose.ts';
import { Header } from '../core/message/nats-headers.ts';
import { lastToken } from '../core/subject.ts';
import { meaningProblem } from './check-headers.ts';

/** Flags that become NATS headers of a message. Undefined: not given. */
export type MessageFlags = {
  readonly orderingKey?: string | undefined;
  readonly eventType?: string | undefined;
  readonly maxAttempts?: number | undefined;
  readonly deliverAt?: string | undefined;
};

/** The flag of each part of a webhook. */
const FLAGS: Readonly<Record<string, string>> = {
  '/name': '--subject',
  '/ordering_key': '--ordering-key',
  '/event_type': '--event-type',
  '/max_attempts': '--max-attempts',
  '/deliver_at': '--deliver-at',
};
const NO_PAYLOAD = Buffer.from('{}');

/**
 * The subject and the NATS headers that the flags ask for, or what is wrong with them, for a person.
 *
 * @param subject Of --subject: an ordering key takes the place of its last token.
 * @param given The headers of --nats-header.
 * @param now In milliseconds since 1970.
 */
export function withMessageFlags(
  flags: MessageFlags,
  subject: string,
  given: Readonly<Record<string, string>>,
  now: number,
):
  | { readonly subject: string; readonly headers: Readonly<Record<string, string>> }
  | { readonly problem: string } {
  if (Object.values(flags).every((value) => value === undefined)) return { subject, headers: given };
  const name = lastToken(subject);
  const prefix = subject.slice(0, -name.length - 1);
  if (flags.orderingKey !== undefined && prefix === '')
    return { problem: '--ordering-key needs a --subject of at least two tokens, such as webhooks.orders' };
  const composed = composeWebhook({ name, body: NO_PAYLOAD, ...flags }, { prefix: prefix || 'webhooks' });
  if ('invalid' in composed)
    return { problem: `${FLAGS[composed.invalid.pointer]}: ${composed.invalid.detail}` };
  // The payload is published as it is: it may be an envelope.
  const { [Header.payload]: _, ...headers } = composed.headers;
  const twice = Object.keys(headers).find((header) => isNamedIn(given, header));
  if (twice !== undefined)
    return { problem: `${twice} is given by --nats-header and by a flag of its own: give it once` };
  const all = { ...given, ...headers };
  const wrong = meaningProblem(all, now);
  if (wrong !== null) return { problem: wrong };
  return { subject: flags.orderingKey === undefined ? subject : composed.subject, headers: all };
}

function isNamedIn(headers: Readonly<Record<string, string>>, name: string): boolean {
  return Object.keys(headers).some((each) => each.toLowerCase() === name.toLowerCase());
}
