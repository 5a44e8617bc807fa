import { readFileSync } from 'node:fs';
import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from 'nats';
import { UserError } from '../../runtime/failure.ts';
import type { NatsAddress } from './address.ts';
import { unreadableFile } from './file-error.ts';

export type CredentialOptions = {
  /** Takes precedence over the userinfo of the URL. */
  readonly user?: string | undefined;
  readonly pass?: string | undefined;
  readonly token?: string | undefined;
  /** A `.creds` file with user JWT and seed. The worker reads the file again at every connect, so the file may be renewed. */
  readonly credsFile?: string | undefined;
  readonly nkeySeed?: string | undefined;
  /** A file that holds only the seed. The worker reads the file again at every connect. */
  readonly nkeyFile?: string | undefined;
};

export type Credentials = {
  readonly authenticator: Authenticator | undefined;
  /** Describes the login in an error message: `user "x"`, `the token`. Never holds a secret. */
  readonly described: string | undefined;
  /** What the user must check when NATS refuses this login. A clause that starts with a small letter. */
  readonly cure: string;
};

const CURES = {
  creds:
    'check the file that NATS_CREDS names: the credentials may have expired, or belong to another operator',
  nkey: 'check NATS_NKEY, and the public key in the nats-server configuration',
  token: 'check NATS_TOKEN, or the token in NATS_URL',
  user: 'check NATS_USER and NATS_PASS, or the user and password in NATS_URL',
  none: 'set NATS_USER and NATS_PASS, NATS_TOKEN, NATS_CREDS or NATS_NKEY, or write nats://user:password@host:4222',
};

/**
 * Returns the login of the options, else of the userinfo in the URLs.
 *
 * @throws {UserError} if a file or seed is not valid, or the URLs hold different userinfo.
 */
export function credentialsFrom(options: CredentialOptions, addresses: readonly NatsAddress[]): Credentials {
  if (options.credsFile !== undefined) {
    const content = renewable('NATS_CREDS', options.credsFile, credsAuthenticator);
    const described = `the credentials file ${options.credsFile}`;
    return checked('NATS_CREDS', {
      authenticator: credsAuthenticator(content),
      described,
      cure: CURES.creds,
    });
  }
  if (options.nkeyFile !== undefined) {
    const fromFile = (content: () => Uint8Array) =>
      nkeyAuthenticator(() => new TextEncoder().encode(new TextDecoder().decode(content()).trim()));
    const authenticator = fromFile(renewable('NATS_NKEY', options.nkeyFile, fromFile));
    const described = `the NKey seed in ${options.nkeyFile}`;
    return checked('NATS_NKEY', { authenticator, described, cure: CURES.nkey });
  }
  if (options.nkeySeed !== undefined) {
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(options.nkeySeed.trim()));
    return checked('NATS_NKEY', { authenticator, described: 'the NKey seed', cure: CURES.nkey });
  }
  const { user, pass, token } =
    options.user !== undefined || options.token !== undefined ? options : sharedUserinfo(addresses);
  if (token !== undefined)
    return { authenticator: tokenAuthenticator(token), described: 'the token', cure: CURES.token };
  if (user === undefined) return { authenticator: undefined, described: undefined, cure: CURES.none };
  const authenticator = usernamePasswordAuthenticator(user, pass ?? '');
  return { authenticator, described: `user "${user}"`, cure: CURES.user };
}

function sharedUserinfo(addresses: readonly NatsAddress[]): CredentialOptions {
  const given = addresses.filter(({ user, token }) => user !== undefined || token !== undefined);
  const [first, ...others] = given;
  if (first === undefined) return {};
  const same = ({ user, pass, token }: NatsAddress) =>
    user === first.user && pass === first.pass && token === first.token;
  if (!others.every(same)) {
    throw new UserError(
      'NATS_URL: the servers have different users. Use one user for all servers: set NATS_USER and NATS_PASS.',
    );
  }
  return first;
}

/**
 * Reads the file at every call. If the file is missing or not complete, as in the middle of a renewal, returns its last content
 * that was complete. The server decides whether the old credentials are still valid.
 */
function renewable(
  setting: string,
  file: string,
  authenticatorOf: (content: () => Uint8Array) => Authenticator,
): () => Uint8Array {
  const read = () => new Uint8Array(readFileSync(file));
  let last: Uint8Array;
  try {
    last = read();
  } catch (error) {
    throw unreadableFile(setting, file, error);
  }
  return () => {
    try {
      const content = read();
      authenticatorOf(() => content)('nonce');
      last = content;
    } catch {
      // If an authenticator throws in the client, the client closes for good.
    }
    return last;
  };
}

/** Calls the authenticator once before the client does, so that invalid credentials are an error at the start. */
function checked(
  setting: string,
  credentials: Credentials & { readonly authenticator: Authenticator },
): Credentials {
  try {
    credentials.authenticator('nonce');
  } catch {
    // The message leaves out the client's text and the cause: both may hold a part of the secret.
    throw new UserError(`${setting}: ${credentials.described} is not valid.`);
  }
  return credentials;
}
