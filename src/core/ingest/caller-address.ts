import { isIPv6 } from 'node:net';

const GROUPS = 8;
/** A /64: whoever has one address of it usually has all. */
const GROUPS_OF_NETWORK = 4;
const V4_MAPPED = /^::ffff:(\d+(?:\.\d+){3})$/i;

/** What counts as the address of one caller: an IPv4 address, or the /64 of an IPv6 address. */
export function callerAddress(address: string): string {
  const mapped = V4_MAPPED.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [before = '', after] = address.toLowerCase().replace(/%.*$/, '').split('::');
  const first = before === '' ? [] : before.split(':');
  const last = after === undefined || after === '' ? [] : after.split(':');
  const zeros = after === undefined ? 0 : GROUPS - first.length - last.length;
  const groups = [...first, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...last];
  return `${groups
    .slice(0, GROUPS_OF_NETWORK)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
