/** What would end the line, or the whole block. */
const BREAKS_LINE = /[\r\n\0]/;
const NAME = /^[!-9;-~]+$/;

/**
 * The headers of a message as they are sent over the network; null if one is not valid in NATS. The client would build the same
 * bytes from a map of headers, at several times the cost.
 */
export function headerBlock(headers: Readonly<Record<string, string>>): Uint8Array | null {
  let block = 'NATS/1.0\r\n';
  for (const name in headers) {
    const value = headers[name]!;
    if (!NAME.test(name) || BREAKS_LINE.test(value)) return null;
    block += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${block}\r\n`);
}
