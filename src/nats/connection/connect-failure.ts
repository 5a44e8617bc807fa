import { ErrorCode } from 'nats';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import type { Credentials } from './credentials.ts';
import { isTlsCode, tlsCure } from './tls.ts';

/** Why a connect failed. `later`: a later try may succeed. `never`: only the user can correct the cause. */
export type ConnectFailure =
  | { readonly kind: 'later'; readonly reason: string }
  | { readonly kind: 'never'; readonly error: UserError };

/** Codes with which the server refuses this login. */
export const LOGIN_CODES = new Set<unknown>([
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.AccountExpired,
  ErrorCode.BadAuthentication,
  ErrorCode.BadCreds,
]);

/** Codes of a dial to a server that waits for the TLS handshake: that server sends nothing, then closes the connection. */
const WAITS_FOR_TLS = new Set<string>([ErrorCode.ConnectionRefused, ErrorCode.Timeout, 'ECONNRESET']);

const REASONS: Record<string, string> = {
  [ErrorCode.ConnectionRefused]: 'nothing listens there',
  [ErrorCode.Timeout]:
    'no greeting of a NATS server in time: is it a NATS server, does it run, and may our account open one more connection?',
  [ErrorCode.AuthenticationTimeout]: 'the server was too slow to log us in',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the host name cannot be looked up',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
};

export type Dialed = {
  /** The addresses, without userinfo. */
  readonly servers: string;
  readonly credentials: Credentials;
  /** True if NATS_URL or NATS_TLS_… demands TLS. If false, the server may still demand TLS. */
  readonly demandsTls: boolean;
};

export function judgeConnectFailure(error: unknown, dialed: Dialed): ConnectFailure {
  const { servers, credentials, demandsTls } = dialed;
  const code = errorCode(error);
  // Errors of the client without a code mean that the greeting was not one of NATS, except a TypeError, which is a bug.
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
      `NATS at ${servers} does not speak TLS. Write nats:// instead of tls:// in NATS_URL, and leave NATS_TLS_… empty.`,
      error,
    );
  }
  if (isTlsCode(code)) {
    const cure = tlsCure(code, demandsTls);
    return never(`NATS at ${servers}: TLS failed (${code}: ${errorMessage(error)}). ${cure}.`, error);
  }
  const reason = REASONS[code] ?? `${code}: ${errorMessage(error)}`;
  const waitsForTls = demandsTls && WAITS_FOR_TLS.has(code);
  return {
    kind: 'later',
    reason: waitsForTls ? `${reason}; a server with handshake_first needs NATS_TLS_FIRST=true` : reason,
  };
}

function loginRefused(servers: string, { described, cure }: Credentials): string {
  return described === undefined
    ? `NATS at ${servers} asks for a login, and none is set: ${cure}.`
    : `NATS at ${servers} refuses ${described}: ${cure}.`;
}

function never(message: string, cause: unknown): ConnectFailure {
  return { kind: 'never', error: new UserError(message, { cause }) };
}
