import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';

/** What the user must do, by the code of PostgreSQL, Node or OpenSSL; `*` stands for every other code of its class. */
const CURES: Readonly<Record<string, string>> = {
  '28P01': 'Correct the user or the password in it.',
  '28000':
    'Correct the user in it, or let the server take this connection in pg_hba.conf (some want ?sslmode=require, or sslcert and sslkey).',
  '3D000': 'Correct the database in it, or create that database.',
  '3F000': 'Create the schema that the role searches, or change its search_path.',
  '42501': 'Grant the role the right that it lacks.',
  '22023': 'Correct the parameter in its query.',
  '42704': 'Correct the parameter in its query.',
  EACCES: 'Let this user open the socket.',
  CERT_HAS_EXPIRED: 'Renew the certificate of the server.',
  CERT_NOT_YET_VALID: 'Set the clock of this machine, or of the one that made the certificate.',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'Name the certificate with sslrootcert=<file>.',
  SELF_SIGNED_CERT_IN_CHAIN: 'Name the CA certificate with sslrootcert=<file>.',
  UNABLE_TO_GET_ISSUER_CERT: 'Name the CA certificate with sslrootcert=<file>.',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'Name the CA certificate with sslrootcert=<file>.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'Name the CA certificate with sslrootcert=<file>.',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'Use the name in the certificate of the server as the host, or sslmode=verify-ca.',
};

/** PostgreSQL's codes of a server that is going, coming, full, or lost in between. */
const AWAY_CLASSES = /^(08|53|55|57|58)/;

/**
 * Whether waiting may help. `away`: the server is not there, or not ready; try again later. `rejected`: it is there,
 * and will say the same again until the user changes something. What is not known is `away`: trying again is harmless.
 */
export function classifyConnectError(error: unknown): 'away' | 'rejected' {
  return error instanceof UserError || CURES[errorCode(error) ?? ''] !== undefined ? 'rejected' : 'away';
}

/** What is wrong with the connection and how to cure it, in one line without the password. */
export function describeConnectError(error: unknown, url: string): string {
  const code = errorCode(error);
  const what = `DATABASE_URL (${describeServer(url)}): ${errorMessage(error)}${code === undefined ? '' : ` [${code}]`}.`;
  // What we throw ourselves says its own cure.
  if (error instanceof UserError) return what;
  return `${what} ${CURES[code ?? ''] ?? cureOf(code)}`;
}

function cureOf(code = ''): string {
  if (code === '25006') return 'Name the primary server: this one only reads, as a standby does.';
  const answered = /^\d[0-9A-Z]{4}$/.test(code) && !AWAY_CLASSES.test(code);
  return answered
    ? 'Cure what is named in that database, or name another one.'
    : 'Start PostgreSQL there, or correct the host, the port or the sslmode in it.';
}

/** User, host, port and database of the URL; never its password or its query. */
export function describeServer(url: string): string {
  const parts = /^\w+:\/\/(?:([^:@/?]*)(?::[^/?]*)?@)?([^@/?]*)(\/[^?]*)?/.exec(url);
  if (parts === null) return 'not a URL';
  const [, user, host, database] = parts;
  return `${user ? `${user}@` : ''}${host || 'local socket'}${database ?? ''}`;
}
