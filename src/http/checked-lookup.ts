import type { LookupAddress, LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { AddressRules } from '../core/endpoint/address.ts';

/** The code of the error for an address that the worker's rules refuse. */
export const ADDRESS_REFUSED = 'ERR_ADDRESS_REFUSED';

/** Resolves a name to all its addresses, like `dns.lookup` with `all: true`. */
export type ResolveAll = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A `lookup` for the `connect` options of undici, net and tls. It resolves a name once, and fails with the code
 * `ERR_ADDRESS_REFUSED` if any address of the name is refused. The socket gets exactly the addresses that were checked, so a DNS
 * server that changes its answer after the check has no effect. Sockets do not call `lookup` for IP literals: `rules.checkHost`
 * checks IP literals before.
 */
export function checkedLookup(rules: Pick<AddressRules, 'check'>, resolve: ResolveAll): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [], 0);
      for (const { address } of addresses) {
        const why = rules.check(address);
        if (why !== null) return callback(refusal(hostname, address, why, addresses), [], 0);
      }
      const [first] = addresses;
      if (first === undefined) return callback(noAddress(hostname), [], 0);
      // With autoSelectFamily a socket asks for all addresses, without autoSelectFamily for one.
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** The error for a name with a refused address. `addresses`: all of the name. */
export type AddressRefusal = NodeJS.ErrnoException & { readonly addresses: readonly string[] };

function refusal(
  hostname: string,
  address: string,
  why: string,
  all: readonly LookupAddress[],
): AddressRefusal {
  return Object.assign(new Error(`${hostname} resolves to ${address}, which is refused: ${why}`), {
    code: ADDRESS_REFUSED,
    addresses: all.map((each) => each.address),
  });
}

function noAddress(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} resolves to no address`), { code: 'ENOTFOUND' });
}
