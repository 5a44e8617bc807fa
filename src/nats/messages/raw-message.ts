import { headers, type Msg, type MsgHdrs } from 'nats';

/** Where the client keeps the bytes of headers and data, the length of the headers, and the subjects as they came. */
type Unread = {
  _rdata: Uint8Array;
  _msg: { readonly hdr: number; readonly subject: Uint8Array; readonly reply?: Uint8Array };
};

/**
 * The NATS headers of a message; undefined where it has none. The server checks none of them, and the client throws at
 * the first that it would not write itself (a name with a space, a value with a line feed), for ever: so such a line is left out,
 * and the others are read.
 */
export function headersOf(message: Msg): MsgHdrs | undefined {
  try {
    return message.headers;
  } catch {
    const { _rdata, _msg } = message as unknown as Unread;
    return readableOnes(Buffer.from(_rdata.subarray(0, _msg.hdr)).toString());
  }
}

/** Bytes of its headers and data, as they came over the wire. */
export function sizeOf(message: Msg): number {
  return (message as unknown as Unread)._rdata.length;
}

/**
 * Copies the bytes of a message out of what came over the wire with it, up to 64 KB of many messages, which it would keep in
 * memory for as long as itself.
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

function readableOnes(block: string): MsgHdrs {
  const readable = headers();
  for (const line of block.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    try {
      readable.append(line.slice(0, colon), line.slice(colon + 1).trim());
    } catch {
      // This line is the one, or one of those.
    }
  }
  return readable;
}
