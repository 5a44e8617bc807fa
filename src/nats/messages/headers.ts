import { headers, type MsgHdrs, NatsError } from 'nats';
import { ESCAPE_PREFIX, Header, isWorkerHeader } from '../../core/message/nats-headers.ts';

/** Headers that have an effect on the server, and the header that has another meaning on a copy. */
const MEANS_ANOTHER_THING = new RegExp(`^(?:Nats-|${Header.webhookId}$)`, 'i');

const MAX_TEXT = 512;

/** Name and values of each header. */
export type HeaderEntries = readonly (readonly [name: string, values: readonly string[]])[];

const ESCAPED_ENDPOINT = escapedHeader(Header.webhookId).toLowerCase();

/**
 * True for a header that is not copied: the worker writes its own one on each copy, or the message is a copy or dead letter that was
 * published again with all its headers.
 */
export function isLeftOut(name: string): boolean {
  return isWorkerHeader(name) || name.toLowerCase() === ESCAPED_ENDPOINT;
}

/** The name that a header has in a copy of its message. */
export function escapedHeader(name: string): string {
  return MEANS_ANOTHER_THING.test(name) ? ESCAPE_PREFIX + name : name;
}

/** The name that a header had in the message before the copy. */
export function unescapedHeader(kept: string): string {
  const name = kept.startsWith(ESCAPE_PREFIX) ? kept.slice(ESCAPE_PREFIX.length) : kept;
  return MEANS_ANOTHER_THING.test(name) ? name : kept;
}

/**
 * The headers of a message, for a copy of the message. Headers that have an effect on the server (`Nats-Msg-Id`,
 * `Nats-Expected-*`, `Nats-Rollup`, `Nats-TTL`, …) would also act on the copy, so the copy has them as
 * `Webhook-Original-Nats-…`. So has it the row that the publisher chose (`Webhook-Endpoint-Id`), because a copy says there which row
 * the copy is for. The worker's own headers are left out.
 */
export function copyHeaders(entries: HeaderEntries): MsgHdrs {
  const copied = entries.filter(([name]) => !isLeftOut(name));
  return headersOfEntries(copied.map(([name, values]) => [escapedHeader(name), values]));
}

/**
 * Makes headers of entries that were read from a message, so that they are valid. The client's `append` reads all names at each
 * call: with the thousands of headers that one message may have, it takes seconds.
 */
export function headersOfEntries(entries: HeaderEntries): MsgHdrs {
  const made = headers();
  const { headers: values } = made as unknown as { readonly headers: Map<string, string[]> };
  for (const [name, more] of entries) {
    const known = values.get(name);
    if (known === undefined) values.set(name, [...more]);
    else known.push(...more);
  }
  return made;
}

/** Makes headers of names and values. Undefined if one is not valid in NATS. */
export function headersFrom(values: Readonly<Record<string, string>>): MsgHdrs | undefined {
  const made = headers();
  try {
    for (const [name, value] of Object.entries(values)) made.set(name, value);
    return made;
  } catch (error) {
    if (error instanceof NatsError) return undefined;
    throw error;
  }
}

/** Makes a valid header value of any text: one line, no control characters, at most 512 characters. */
export function headerText(text: string): string {
  const line = text.replace(/[\s\x00-\x1f\x7f]+/g, ' ').trim();
  const short = line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT - 1)}…`;
  return short.toWellFormed();
}
