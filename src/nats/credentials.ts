import { readFileSync } from 'node:fs';
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from 'nats';
import { errorMessage, UserError } from '../runtime/failure.ts';
import type { NatsAddress } from './address.ts';

export type CredentialOptions = {
  /** Wins over the userinfo of the URL. */
  readonly user?: string | undefined;
  readonly pass?: string | undefined;
  readonly token?: string | undefined;
  /** A `.creds` file: user JWT and seed. Read again at every connect, so it may be renewed. */
  readonly credsFile?: string | undefined;
  readonly nkeySeed?: string | undefined;
  /** A file that holds the seed and nothing else. Read again at every connect. */
  readonly nkeyFile?: string | undefined;
};

export type Credentials = {
  readonly authenticator: Authenticator | undefined;
  /** Whom we are, for an error: `user "x"`, `the token`. Never a secret. */
  readonly described: string | undefined;
};

/**
 * How to log in: the options, else the userinfo of the URLs.
 *
 * @throws {UserError} where a file or seed is not what it should be, or the URLs hold different userinfo.
 */
export function credentialsFrom(options: CredentialOptions, addresses: readonly NatsAddress[]): Credentials {
  if (options.credsFile !== undefined) {
    const content = renewable(options.credsFile);
    return checked(credsAuthenticator(content), `the credentials file ${options.credsFile}`);
  }
  if (options.nkeyFile !== undefined) {
    const content = renewable(options.nkeyFile);
    const seed = () => new TextEncoder().encode(new TextDecoder().decode(content()).trim());
    return checked(nkeyAuthenticator(seed), `the NKey seed in ${options.nkeyFile}`);
  }
  if (options.nkeySeed !== undefined) {
    return checked(nkeyAuthenticator(new TextEncoder().encode(options.nkeySeed.trim())), 'the NKey seed');
  }
  const { user, pass, token } =
    options.user !== undefined || options.token !== undefined ? options : sharedUserinfo(addresses);
  if (token !== undefined) return { authenticator: tokenAuthenticator(token), described: 'the token' };
  if (user === undefined) return { authenticator: undefined, described: undefined };
  return { authenticator: usernamePasswordAuthenticator(user, pass ?? ''), described: `user "${user}"` };
}

function sharedUserinfo(addresses: readonly NatsAddress[]): CredentialOptions {
  const given = addresses.filter(({ user, token }) => user !== undefined || token !== undefined);
  const [first, ...others] = given;
  if (first === undefined) return {};
  const same = ({ user, pass, token }: NatsAddress) =>
    user === first.user && pass === first.pass && token === first.token;
  if (!others.every(same)) {
    throw new UserError(
      'NATS_URL: its servers have different users. Use one for all: set NATS_USER and NATS_PASS.',
    );
  }
  return first;
}

/** The file's content, read at every call; what it held last where it cannot be read, as in the middle of a renewal. */
function renewable(file: string): () => Uint8Array {
  const read = () => new Uint8Array(readFileSync(file));
  let last: Uint8Array;
  try {
    last = read();
  } catch (error) {
    throw new UserError(`NATS: ${file} cannot be read: ${errorMessage(error)}.`, { cause: error });
  }
  return () => {
    try {
      last = read();
    } catch {
      // Away for a moment: the server tells whether the old ones still do.
    }
    return last;
  };
}

/** The client closes for good when an authenticator throws: so it is tried before. */
function checked(authenticator: Authenticator, described: string): Credentials {
  try {
    authenticator('nonce');
  } catch (error) {
    throw new UserError(`NATS: ${described} is not valid: ${errorMessage(error)}.`, { cause: error });
  }
  return { authenticator, described };
}
