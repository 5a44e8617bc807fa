import type { Msg, MsgHdrs } from 'nats';
import { Header } from '../../core/message/nats-headers.ts';
import { headersOfEntries } from './headers.ts';

/** Private fields of the client's message: the bytes of headers and data, the length of the headers, the raw subjects. */
type Unread = {
  _rdata: Uint8Array;
  _msg: { readonly hdr: number; readonly subject: Uint8Array; readonly reply?: Uint8Array };
  /** The headers that were parsed before. */
  _headers?: MsgHdrs | undefined;
};

/**
 * Header blocks from this size on are read here, in bytes. The client's own parser takes quadratic time: nearly a second for the
 * 64 KB that a message may have, and the worker stands still meanwhile.
 */
const LARGE_BLOCK = 4096;

/**
 * The NATS headers of a message. Undefined if the message has none. The server does not check headers, and the client throws at
 * the first header that it would not write itself (a name with a space, a value with a line feed), at every read. So this
 * function leaves out such a line, and reads the others.
 */
export function headersOf(message: Msg): MsgHdrs | undefined {
  const { _rdata, _msg } = message as unknown as Partial<Unread>;
  const block = () => Buffer.from(_rdata!.subarray(0, _msg!.hdr)).toString();
  if ((_msg?.hdr ?? 0) >= LARGE_BLOCK) return readableOnes(block());
  try {
    return message.headers;
  } catch {
    return readableOnes(block());
  }
}

/** Bytes of the message's headers and data, as received. */
export function sizeOf(message: Msg): number {
  return (message as unknown as Unread)._rdata.length;
}

/**
 * True if the message has no body, but its header says that the stored message has one: the consumer delivers only headers. A
 * publisher may have written the same header himself: the server adds its own behind it.
 */
export function mayLackBody(message: Msg): boolean {
  const { _rdata, _msg } = message as unknown as Unread;
  if (_msg.hdr <= 0 || _rdata.length > _msg.hdr) return false;
  return (
    headersOf(message)
      ?.values(Header.storedSize)
      .some((size) => Number(size) > 0) ?? false
  );
}

/** Replaces the headers and the body of a message by the stored ones. @param head Empty: the message has no headers. */
export function replaceContent(message: Msg, head: Uint8Array, body: Uint8Array): void {
  const unread = message as unknown as Unread;
  unread._rdata = Buffer.concat([head, body]);
  unread._msg = { ...unread._msg, hdr: head.length === 0 ? -1 : head.length };
  unread._headers = undefined;
}

/**
 * Copies the bytes of a message out of the receive buffer, which holds up to 64 KB of many messages. Without the copy, the
 * message would keep the whole buffer in memory.
 */
export function detach(message: Msg): void {
  const unread = message as unknown as Unread;
  const { _rdata, _msg } = unread;
  unread._rdata = new Uint8Array(_rdata);
  unread._msg = {
    ..._msg,
    subject: new Uint8Array(_msg.subject),
    ...(_msg.reply !== undefined && { reply: new Uint8Array(_msg.reply) }),
  };
}

/** Names that the client writes: visible ASCII without a colon. Values have no line breaks. */
const READABLE = /^([\x21-\x39\x3b-\x7e]+):([^\r\n]*)$/;

function readableOnes(block: string): MsgHdrs {
  const found = block.split('\r\n').flatMap((line): [string, string[]][] => {
    const [, name, value] = READABLE.exec(line) ?? [];
    return name === undefined ? [] : [[name, [value!.trim()]]];
  });
  return headersOfEntries(found);
}
