import { addressSet, type Family, familyOf, ipv4Inside, REFUSED_RANGES } from './address-ranges.ts';

const REFUSED = addressSet(REFUSED_RANGES.map(([cidr]) => cidr));
const REFUSED_BY_RANGE = REFUSED_RANGES.map(([cidr, name]) => ({ cidr, name, set: addressSet([cidr]) }));
const CURE = 'which ALLOWED_PRIVATE_CIDRS does not name';

/** Which addresses deliveries may go to. Each check returns null, or a sentence for a person that says why not. */
export interface AddressRules {
  /** @param address An IP address as text, with or without a zone. Any other text is refused. */
  check(address: string): string | null;
  /**
   * Checks the host of a URL before it is resolved. An IP literal, with or without brackets, is checked as an address, because no
   * lookup follows. `localhost` and names below it are refused unless a loopback address is allowed. Any other name passes: the
   * lookup checks the addresses of that name.
   */
  checkHost(hostname: string): string | null;
  checkPort(port: number): string | null;
}

export type AddressRulesOptions = {
  /**
   * Allowed ranges, IPv4 or IPv6: `10.0.0.0/8`, `fd00::/8`, or a single address. An IPv4 range also allows the same addresses
   * written as IPv6 (mapped or translated).
   */
  readonly allowedCidrs: readonly string[];
  /** @default empty: all ports. */
  readonly allowedPorts?: readonly number[];
};

/**
 * Rules that refuse loopback, private, link-local, reserved and all other addresses outside the public internet, unless
 * `allowedCidrs` holds them.
 *
 * @throws Error that names the entry of `allowedCidrs` that is not a range.
 */
export function createAddressRules(options: AddressRulesOptions): AddressRules {
  const allowed = addressSet(options.allowedCidrs);
  const ports = new Set(options.allowedPorts);

  function check(address: string): string | null {
    const zone = address.indexOf('%');
    const host = zone < 0 ? address : address.slice(0, zone);
    const family = familyOf(host);
    if (family === null) return `${JSON.stringify(address)} is not an IP address`;
    if (allowed[family].check(host, family)) return null;
    if (family === 'ipv6') {
      const inside = ipv4Inside(host);
      if (inside !== null && allowed.ipv4.check(inside.address, 'ipv4')) return null;
      if (inside?.form === 'translated') {
        const why = check(inside.address);
        return why === null ? null : `${host} stands for a refused address: ${why}`;
      }
    }
    return REFUSED[family].check(host, family) ? `${host} is ${nameOfRange(host, family)}, ${CURE}` : null;
  }

  return {
    check,
    checkHost: (hostname) => {
      const host = hostname.replace(/^\[|\]$/g, '');
      if (familyOf(host) !== null) return check(host);
      if (!/(^|\.)localhost\.?$/i.test(host)) return null;
      const loopbackAllowed = check('127.0.0.1') === null || check('::1') === null;
      return loopbackAllowed ? null : `${host} is this machine (loopback), ${CURE}`;
    },
    checkPort: (port) =>
      ports.size === 0 || ports.has(port) ? null : `port ${port} is not in ALLOWED_PORTS`,
  };
}

/**
 * @returns The same text.
 * @throws Error that names the text if it is not an address range.
 */
export function checkCidr(text: string): string {
  addressSet([text]);
  return text;
}

/** Only for the message: `REFUSED` alone decides. */
function nameOfRange(address: string, family: Family): string {
  const range = REFUSED_BY_RANGE.find(({ set }) => set[family].check(address, family));
  return range === undefined ? 'reserved' : `${range.name} (${range.cidr})`;
}
