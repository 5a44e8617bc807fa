import { ErrorCode } from 'nats';
import { errorCode, errorMessage, UserError } from '../runtime/failure.ts';
import type { Credentials } from './credentials.ts';

/** Why a connection did not come about: `later` may cure itself, `never` is the user's to cure. */
export type ConnectFailure =
  | { readonly kind: 'later'; readonly reason: string }
  | { readonly kind: 'never'; readonly error: UserError };

/** Codes that say: not with this login. */
export const LOGIN_CODES = new Set<unknown>([
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.AccountExpired,
  ErrorCode.BadAuthentication,
  ErrorCode.BadCreds,
]);

const REASONS: Record<string, string> = {
  [ErrorCode.ConnectionRefused]: 'nothing listens there',
  [ErrorCode.Timeout]: 'no greeting of a NATS server in time: is it one, and does it run?',
  [ErrorCode.AuthenticationTimeout]: 'the server was too slow to log us in',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the host name cannot be looked up',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
};

/** @param servers For the sentence: the addresses without userinfo. */
export function judgeConnectFailure(
  error: unknown,
  servers: string,
  credentials: Credentials,
): ConnectFailure {
  const code = errorCode(error);
  // The client's only errors without a code say that the greeting was none of NATS; a TypeError would be a bug.
  if (code === undefined) {
    if (error instanceof TypeError) throw error;
    return never(
      `${servers} answers, but not as a NATS server does (${errorMessage(error)}). Check host and port in NATS_URL.`,
      error,
    );
  }
  if (LOGIN_CODES.has(code)) return never(loginRefused(servers, credentials), error);
  if (code === ErrorCode.ServerOptionNotAvailable) {
    return never(
      `NATS at ${servers} does not speak TLS. Write nats:// instead of tls:// in NATS_URL.`,
      error,
    );
  }
  if (isTlsCode(code)) {
    return never(
      `NATS at ${servers}: TLS failed (${code}: ${errorMessage(error)}). NATS_URL must name the host that its certificate ` +
        'is for; where your own authority signed it, set NODE_EXTRA_CA_CERTS to the file of that authority.',
      error,
    );
  }
  return { kind: 'later', reason: REASONS[code] ?? `${code}: ${errorMessage(error)}` };
}

function loginRefused(servers: string, { described }: Credentials): string {
  return described === undefined
    ? `NATS at ${servers} asks for a login, and none is set. Set NATS_USER and NATS_PASS, or write them into NATS_URL (nats://user:password@host:4222).`
    : `NATS at ${servers} refuses ${described}. Check NATS_USER and NATS_PASS, or the user and password in NATS_URL.`;
}

function isTlsCode(code: string): boolean {
  return (
    code === ErrorCode.Tls ||
    code === 'EPROTO' ||
    /^(ERR_(TLS|SSL|OSSL)_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)
  );
}

function never(message: string, cause: unknown): ConnectFailure {
  return { kind: 'never', error: new UserError(message, { cause }) };
}
