import { type buildConnector, Pool } from 'undici';
import { errorMessage } from '../runtime/failure.ts';

/**
 * The code of the error if EGRESS_PROXY cannot be reached. The operator must correct that; it is not an attempt of any delivery.
 */
export const EGRESS_PROXY_AWAY = 'ERR_EGRESS_PROXY_AWAY';
/** The code of the error if EGRESS_PROXY refuses the worker's login, whatever the endpoint. Also for the operator to correct. */
export const EGRESS_PROXY_LOGIN = 'ERR_EGRESS_PROXY_LOGIN';

const PROXY_AUTHENTICATION_REQUIRED = 407;

/** The options that undici passes to a client factory; undici's types say only `object`. */
export type ClientOptions = { readonly connect: buildConnector.connector };

/**
 * The connections to EGRESS_PROXY. Failures of the proxy itself get other codes than failures of the endpoints behind it.
 *
 * @param timeoutMs How long the proxy may take to answer a CONNECT. Without this bound, a proxy that does not answer would hold
 *   the socket for five minutes.
 */
export function createProxyPool(origin: URL, { connect }: ClientOptions, timeoutMs: number): Pool {
  const pool = new Pool(origin, { connect: dialProxy(connect), headersTimeout: timeoutMs });
  const tunnel = pool.connect.bind(pool);
  // ProxyAgent calls `connect` only in this form.
  const checkedTunnel = async (options: Parameters<Pool['connect']>[0]) => {
    const answer = await tunnel(options);
    if (answer.statusCode !== PROXY_AUTHENTICATION_REQUIRED) return answer;
    answer.socket.on('error', () => {}).destroy();
    throw Object.assign(new Error('the proxy refuses our login (407)'), { code: EGRESS_PROXY_LOGIN });
  };
  return Object.assign(pool, { connect: checkedTunnel as Pool['connect'] });
}

function dialProxy(connect: buildConnector.connector): buildConnector.connector {
  return (target, callback) =>
    connect(target, (...[error, socket]) => {
      if (error === null) return callback(null, socket);
      callback(Object.assign(new Error(errorMessage(error)), { code: EGRESS_PROXY_AWAY }), null);
    });
}
