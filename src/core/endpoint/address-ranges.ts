import { BlockList, isIP } from 'node:net';

export type Family = 'ipv4' | 'ipv6';

/**
 * Ranges that are not on the public internet, or do not stand for one host, from the IANA special-purpose registries. Refused
 * unless ALLOWED_PRIVATE_CIDRS allows them.
 */
export const REFUSED_RANGES: readonly (readonly [cidr: string, name: string])[] = [
  ['0.0.0.0/8', 'this host'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'carrier-grade NAT'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'protocol assignments'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', '6to4 relay'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  // The first two are parts of ::/8 with names of their own. ::/8 also holds ::1.2.3.4.
  ['::1/128', 'loopback'],
  ['::ffff:0:0/96', 'an IPv4 address as IPv6'],
  ['::/8', 'reserved'],
  // An address in 64:ff9b::/96 is checked by the IPv4 address inside it, before this list.
  ['64:ff9b::/32', 'IPv4/IPv6 translation'],
  ['100::/64', 'discard-only'],
  ['2001::/23', 'protocol assignments'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', '6to4'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'segment routing'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'site-local'],
  ['ff00::/8', 'multicast'],
];

/** A set of addresses, with one list per family: an address is never compared with ranges of the other family. */
export type AddressSet = { readonly [family in Family]: BlockList };

/**
 * @param cidrs `10.0.0.0/8` or `fd00::/8`; a single address is its own range.
 * @throws Error that names the entry that is not a range.
 */
export function addressSet(cidrs: readonly string[]): AddressSet {
  const set = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const cidr of cidrs) {
    const [address = '', bits, ...rest] = cidr.split('/');
    const family = familyOf(address);
    const longest = family === 'ipv4' ? 32 : 128;
    const prefix = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === null || rest.length > 0 || address.includes('%') || !(prefix <= longest)) {
      throw new Error(`${JSON.stringify(cidr)} is not an address range: write it as 10.0.0.0/8 or fd00::/8`);
    }
    set[family].addSubnet(address, prefix, family);
  }
  return set;
}

export function familyOf(address: string): Family | null {
  const version = isIP(address);
  return version === 4 ? 'ipv4' : version === 6 ? 'ipv6' : null;
}

/**
 * The IPv4 address that an IPv6 address stands for; null if it stands for none. The kernel takes a `mapped` address
 * (::ffff:1.2.3.4) for the same host; a `translated` address (64:ff9b::1.2.3.4) is reached through the network's NAT64.
 *
 * @param address A valid IPv6 address without a zone.
 */
export function ipv4Inside(address: string): { form: 'mapped' | 'translated'; address: string } | null {
  const [a, b, c, d, e, f, high = 0, low = 0] = groupsOf(address);
  const form =
    a === 0 && b === 0 && f === 0xffff
      ? 'mapped'
      : a === 0x64 && b === 0xff9b && f === 0
        ? 'translated'
        : null;
  if (form === null || c !== 0 || d !== 0 || e !== 0) return null;
  return { form, address: `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}` };
}

/** The eight groups of a valid IPv6 address without a zone. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const before = groups(head);
  if (tail === undefined) return before;
  const after = groups(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
