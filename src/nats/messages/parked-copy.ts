import { headers, type MsgHdrs } from 'nats';
import { Header, isWorkerHeader } from '../../core/message/nats-headers.ts';
import { escapedHeader, unescapedHeader } from './headers.ts';
import type { StreamPosition } from './stream-position.ts';

/** What a copy says of the message that it is a copy of. */
export type CopySource = {
  /** Where the message was published. */
  readonly subject: string;
  readonly position: StreamPosition;
  /** Attempts made before it was parked. */
  readonly attempts: number;
  /** When it was published, in milliseconds since 1970; null where the copy does not say. */
  readonly publishedAt: number | null;
  /** Before when it is not to be sent, in milliseconds since 1970; null: at once. */
  readonly notBefore: number | null;
};

/** Null for a message in the parked stream that is no copy of ours: it does not say where it comes from. */
export function readCopySource(copy: MsgHdrs | undefined): CopySource | null {
  const subject = copy?.get(Header.originalSubject);
  const stream = copy?.get(Header.originalStream);
  const streamCreatedAt = count(copy?.get(Header.originalStreamCreated));
  const sequence = count(copy?.get(Header.originalSequence));
  if (!subject || !stream || streamCreatedAt === null || sequence === null) return null;
  return {
    subject,
    position: { stream, streamCreatedAt, sequence },
    attempts: count(copy?.get(Header.attempts)) ?? 0,
    publishedAt: time(copy?.get(Header.publishedAt)),
    notBefore: time(copy?.get(Header.notBefore)),
  };
}

/** The headers of a copy as the message had them when it was published; its delivery's id is the one that it was parked with. */
export function publishedHeaders(copy: MsgHdrs): MsgHdrs {
  const published = headers();
  for (const [name, values] of copy) {
    // Its own `Nats-Msg-Id`, and whatever else steered the server, is of the copy alone.
    if (isWorkerHeader(name) || escapedHeader(name) !== name) continue;
    for (const value of values) published.append(unescapedHeader(name), value);
  }
  return published;
}

function count(text: string | undefined): number | null {
  if (text === undefined || !/^\d+$/.test(text)) return null;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : null;
}

function time(text: string | undefined): number | null {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? null : ms;
}
