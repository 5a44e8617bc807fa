import { UserError } from '../../runtime/failure.ts';

/** One server of NATS_URL. */
export type NatsAddress = {
  /** `host:port`, an IPv6 literal in brackets. */
  readonly hostPort: string;
  /** From `tls://`. */
  readonly tls: boolean;
  /** From the userinfo. A name without a password is a token, as everywhere in NATS. */
  readonly user: string | undefined;
  readonly pass: string | undefined;
  readonly token: string | undefined;
};

const DEFAULT_PORT = 4222;
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;
const HOST_PORT = /^(\[[0-9a-f:.]+\]|[^\s:/?#@[\]]+)(?::(\d{1,5}))?\/?$/i;

/**
 * Reads one server of NATS_URL: `nats://user:password@host:4222`, `tls://host`, `token@host`, `host:port`.
 * The worker parses the address itself, because the client takes the first `:<digits>` as the port, even inside a password,
 * and drops the userinfo. The password may be percent-encoded or plain.
 *
 * @throws {UserError}
 */
export function parseAddress(url: string): NatsAddress {
  const text = url.trim();
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase() ?? 'nats';
  const rest = text.replace(SCHEME, '');
  const at = rest.lastIndexOf('@');
  const place = rest.slice(at + 1);
  if (scheme !== 'nats' && scheme !== 'tls') {
    throw invalid(`the scheme "${scheme}://" is not supported; write nats://host:4222 or tls://host:4222`);
  }
  const [, host, digits] = HOST_PORT.exec(place) ?? [];
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    throw invalid('write nats://host:4222, or several of them, comma-separated');
  }
  return { hostPort: `${host}:${port}`, tls: scheme === 'tls', ...userinfo(at < 0 ? '' : rest.slice(0, at)) };
}

/** The address for logs and errors, without userinfo. */
export function printAddress(address: NatsAddress): string {
  return `${address.tls ? 'tls' : 'nats'}://${address.hostPort}`;
}

function userinfo(text: string): Pick<NatsAddress, 'user' | 'pass' | 'token'> {
  const colon = text.indexOf(':');
  if (colon >= 0) {
    return { user: decoded(text.slice(0, colon)), pass: decoded(text.slice(colon + 1)), token: undefined };
  }
  return { user: undefined, pass: undefined, token: text === '' ? undefined : decoded(text) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The message does not quote NATS_URL: in a mistyped address, the password may stand anywhere. */
function invalid(cure: string): UserError {
  return new UserError(`NATS_URL is not the address of a NATS server: ${cure}.`);
}
