import { headers, type MsgHdrs, NatsError } from 'nats';

/** The NATS headers we read and write, in one place. */
export const Header = {
  /** The server stores one message for it within the stream's duplicate window. */
  messageId: 'Nats-Msg-Id',
  deliveryId: 'Webhook-Delivery-Id',
  deadLetterReason: 'Webhook-Dead-Letter-Reason',
  deadLetterDetail: 'Webhook-Dead-Letter-Detail',
  deadLetteredAt: 'Webhook-Dead-Lettered-At',
  attempts: 'Webhook-Attempts',
  originalSubject: 'Webhook-Original-Subject',
  originalStream: 'Webhook-Original-Stream',
  /** When that stream was made, in milliseconds since 1970: sequences start again with it. */
  originalStreamCreated: 'Webhook-Original-Stream-Created',
  originalSequence: 'Webhook-Original-Sequence',
  /** Of a parked copy: when the message was published, and before when it is not to be sent (ISO 8601). */
  publishedAt: 'Webhook-First-Seen',
  notBefore: 'Webhook-Not-Before',
  /** Of a dead letter in parts: how many, and how large each but the last. Of a part: its number. */
  parts: 'Webhook-Dead-Letter-Parts',
  partBytes: 'Webhook-Dead-Letter-Part-Bytes',
  part: 'Webhook-Dead-Letter-Part',
} as const;

const WORKER_HEADERS: ReadonlySet<string> = new Set(
  Object.values(Header)
    .filter((name) => name !== Header.messageId && name !== Header.deliveryId)
    .map((name) => name.toLowerCase()),
);

/**
 * Whether we write it on copies of a message, where it says what became of that one. In the message itself, in whatever case, it is
 * no word of ours: that may be a dead letter that somebody published again with all of its headers.
 */
export function isWorkerHeader(name: string): boolean {
  return WORKER_HEADERS.has(name.toLowerCase());
}

/** Stands before the name of a header that steers the server, in a copy of its message. */
const ESCAPE = 'Webhook-Original-';
const STEERS_THE_SERVER = /^Nats-/i;

const MAX_TEXT = 512;

/** Name and values of each header. */
export type HeaderEntries = readonly (readonly [name: string, values: readonly string[]])[];

/** The name that a header has in a copy of its message. */
export function escapedHeader(name: string): string {
  return STEERS_THE_SERVER.test(name) ? ESCAPE + name : name;
}

/** The name that a header had before its message was copied. */
export function unescapedHeader(kept: string): string {
  const name = kept.startsWith(ESCAPE) ? kept.slice(ESCAPE.length) : kept;
  return STEERS_THE_SERVER.test(name) ? name : kept;
}

/**
 * The headers of a message, for a copy of it. Those that steer the server (`Nats-Msg-Id`, `Nats-Expected-*`,
 * `Nats-Rollup`, `Nats-TTL`, …) would act again on the copy, so they are kept as `Webhook-Original-Nats-…`; ours are left out.
 */
export function copyHeaders(entries: HeaderEntries): MsgHdrs {
  const copy = headers();
  for (const [name, values] of entries) {
    if (isWorkerHeader(name)) continue;
    for (const value of values) copy.append(escapedHeader(name), value);
  }
  return copy;
}

/** Headers from names and values; undefined where one is not valid in NATS. */
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

/** Any text as a header's value: one line, no control characters, at most 512 characters. */
export function headerText(text: string): string {
  const line = text.replace(/[\s\x00-\x1f\x7f]+/g, ' ').trim();
  const short = line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT - 1)}…`;
  return short.toWellFormed();
}
