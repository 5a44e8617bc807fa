import { nkeys } from 'nats';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const base64url = (value: object | Uint8Array) =>
  Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString('base64url');

/** A JWT as nats-server reads it. */
function encode(issuer: KeyPair, subject: KeyPair, claims: object, expiresAt?: number): string {
  const key = (pair: KeyPair) => pair.getPublicKey();
  const issuedAt = Math.floor(Date.now() / 1000);
  const body = { jti: 'test', iat: issuedAt, iss: key(issuer), sub: key(subject), name: 'test' };
  const expiry = expiresAt === undefined ? {} : { exp: Math.floor(expiresAt / 1000) };
  const signed = `${base64url({ typ: 'JWT', alg: 'ed25519-nkey' })}.${base64url({ ...body, ...expiry, nats: { version: 2, ...claims } })}`;
  return `${signed}.${base64url(issuer.sign(Buffer.from(signed)))}`;
}

/**
 * An operator with one account that may use JetStream: the configuration of its server, and files for its users.
 * @param options.connections How many connections the account may have. @default no limit
 */
export function makeOperator({ connections = -1 }: { connections?: number } = {}) {
  const [operator, account, system] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const none = {
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
    conn: -1,
    leaf: -1,
  };
  const limits = { ...none, conn: connections, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountJwt = encode(operator, account, { type: 'account', limits });
  const systemJwt = encode(operator, system, { type: 'account', limits: none });
  return {
    config: `operator: ${encode(operator, operator, { type: 'operator' })}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountJwt}, ${system.getPublicKey()}: ${systemJwt} }`,
    /** The contents of a `.creds` file. @param expiresAt In milliseconds since 1970. */
    credentials(expiresAt?: number): string {
      const user = nkeys.createUser();
      const jwt = encode(account, user, { type: 'user', subs: -1, data: -1, payload: -1 }, expiresAt);
      return `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${text(user.getSeed())}\n------END USER NKEY SEED------\n`;
    },
  };
}
