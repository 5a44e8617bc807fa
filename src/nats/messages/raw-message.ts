import { headers, type Msg, type MsgHdrs } from 'nats';

/** Private fields of the client's message: the bytes of headers and data, the length of the headers, the raw subjects. */
type Unread = {
  _rdata: Uint8Array;
  _msg: { readonly hdr: number; readonly subject: Uint8Array; readonly reply?: Uint8Array };
};

/**
 * The NATS headers of a message. Undefined if the message has none. The server does not check headers, and the client throws at
 * the first header that it would not write itself (a name with a space, a value with a line feed), at every read. So this
 * function leaves out such a line, and reads the others.
 */
export function headersOf(message: Msg): MsgHdrs | undefined {
  try {
    return message.headers;
  } catch {
    const { _rdata, _msg } = message as unknown as Unread;
    return readableOnes(Buffer.from(_rdata.subarray(0, _msg.hdr)).toString());
  }
}

/** Bytes of the message's headers and data, as received. */
export function sizeOf(message: Msg): number {
  return (message as unknown as Unread)._rdata.length;
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

function readableOnes(block: string): MsgHdrs {
  const readable = headers();
  for (const line of block.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    try {
      readable.append(line.slice(0, colon), line.slice(colon + 1).trim());
    } catch {
      // The client does not accept this line.
    }
  }
  return readable;
}
