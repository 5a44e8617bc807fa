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
  /** What the user looks at when this login is refused; a clause without a capital. */
  readonly cure: string;
};

const CURES = {
  creds: 'check the file that NATS_CREDS names: it may have expired, or be of another operator',
  nkey: 'check NATS_NKEY, and the public key in the nats-server configuration',
  token: 'check NATS_TOKEN, or the token in NATS_URL',
  user: 'check NATS_USER and NATS_PASS, or the user and password in NATS_URL',
  none: 'set NATS_USER and NATS_PASS, NATS_TOKEN, NATS_CREDS or NATS_NKEY, or write nats://user:password@host:4222',
};

/**
 * How to log in: the options, else the userinfo of the URLs.
 *
 * @throws {UserError} where a file or seed is not what it should be, or the URLs hold different userinfo.
 */
export function credentialsFrom(options: CredentialOptions, addresses: readonly NatsAddress[]): Credentials {
  if (options.credsFile !== undefined) {
    const content = renewable('NATS_CREDS', options.credsFile);
    const described = `the credentials file ${options.credsFile}`;
    return checked('NATS_CREDS', {
      authenticator: credsAuthenticator(content),
      described,
      cure: CURES.creds,
    });
  }
  if (options.nkeyFile !== undefined) {
    const content = renewable('NATS_NKEY', options.nkeyFile);
    const seed = () => new TextEncoder().encode(new TextDecoder().decode(content()).trim());
    const described = `the NKey seed in ${options.nkeyFile}`;
    return checked('NATS_NKEY', { authenticator: nkeyAuthenticator(seed), described, cure: CURES.nkey });
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
      'NATS_URL: its servers have different users. Use one for all: set NATS_USER and NATS_PASS.',
    );
  }
  return first;
}

/** The file's content, read at every call; what it held last where it cannot be read, as in the middle of a renewal. */
function renewable(setting: string, file: string): () => Uint8Array {
  const read = () => new Uint8Array(readFileSync(file));
  let last: Uint8Array;
  try {
    last = read();
  } catch (error) {
    throw unreadableFile(setting, file, error);
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
function checked(
  setting: string,
  credentials: Credentials & { readonly authenticator: Authenticator },
): Credentials {
  try {
    credentials.authenticator('nonce');
  } catch {
    // Neither the client's words nor the cause: they may hold a part of the secret.
    throw new UserError(`${setting}: ${credentials.described} is not valid.`);
  }
  return credentials;
}
