import type { LookupAddress, LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { AddressRules } from '../core/endpoint/address.ts';

/** The code of an error for an address that our own rules refuse. */
export const ADDRESS_REFUSED = 'ERR_ADDRESS_REFUSED';

/** Resolves a name to all its addresses, as `dns.lookup` does with `all: true`. */
export type ResolveAll = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A `lookup` for the `connect` options of undici, net and tls: resolves a name once, refuses it with the error code
 * `ERR_ADDRESS_REFUSED` if any of its addresses is refused, and hands on exactly the addresses that it checked, so that
 * a name that changes its answer in between gains nothing. Sockets do not call it for IP literals: `rules.checkHost`
 * judges those before.
 */
export function checkedLookup(rules: Pick<AddressRules, 'check'>, resolve: ResolveAll): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [], 0);
      for (const { address } of addresses) {
        const why = rules.check(address);
        if (why !== null) return callback(refusal(hostname, address, why), [], 0);
      }
      const [first] = addresses;
      if (first === undefined) return callback(noAddress(hostname), [], 0);
      // With autoSelectFamily a socket asks for all addresses, without it for one.
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function refusal(hostname: string, address: string, why: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} resolves to ${address}, which is refused: ${why}`), {
    code: ADDRESS_REFUSED,
  });
}

function noAddress(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} resolves to no address`), { code: 'ENOTFOUND' });
}
