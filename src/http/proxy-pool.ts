import { type buildConnector, Pool } from 'undici';
import { errorMessage } from '../runtime/failure.ts';

/** The code of an error for EGRESS_PROXY being away: ours to cure, and no attempt of any delivery. */
export const EGRESS_PROXY_AWAY = 'ERR_EGRESS_PROXY_AWAY';
/** The same for a proxy that refuses us, whatever the endpoint: its login is ours to cure too. */
export const EGRESS_PROXY_LOGIN = 'ERR_EGRESS_PROXY_LOGIN';

const PROXY_AUTHENTICATION_REQUIRED = 407;

/** What undici hands to a client factory; its types say `object`. */
export type ClientOptions = { readonly connect: buildConnector.connector };

/**
 * The connections to EGRESS_PROXY: tells its own failures from those of the endpoints behind it.
 *
 * @param timeoutMs Of its answer: a proxy that gives none to CONNECT would hold the socket for five minutes.
 */
export function createProxyPool(origin: URL, { connect }: ClientOptions, timeoutMs: number): Pool {
  const pool = new Pool(origin, { connect: dialProxy(connect), headersTimeout: timeoutMs });
  const tunnel = pool.connect.bind(pool);
  // The one form that ProxyAgent calls.
  const checkedTunnel = async (options: Parameters<Pool['connect']>[0]) => {
    const answer = await tunnel(options);
    if (answer.statusCode !== PROXY_AUTHENTICATION_REQUIRED) return answer;
    answer.socket.on('error', () => {}).destroy();
    throw Object.assign(new Error('it refuses our login (407)'), { code: EGRESS_PROXY_LOGIN });
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
