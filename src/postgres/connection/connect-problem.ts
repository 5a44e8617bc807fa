import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';

/** What the user must do, by the code of PostgreSQL, Node or OpenSSL. */
const CURES: Readonly<Record<string, string>> = {
  '28P01': 'Correct the user or the password in DATABASE_URL.',
  '28000':
    'Correct the user in DATABASE_URL, or allow this connection in pg_hba.conf of the server (some rules need ?sslmode=require, or sslcert and sslkey).',
  '3D000': 'Correct the database in DATABASE_URL, or create that database.',
  '3F000': 'Create the schema in the search_path of the role, or change its search_path.',
  '42501': 'Grant the missing right to the role.',
  '22023': 'Correct the parameter in the query of DATABASE_URL.',
  '42704': 'Correct the parameter in the query of DATABASE_URL.',
  EACCES: 'Give the system user of this process access to the socket.',
  CERT_HAS_EXPIRED: 'Renew the certificate of the server.',
  CERT_NOT_YET_VALID: 'Correct the clock of this machine, or of the machine that made the certificate.',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'Name the certificate with sslrootcert=<file>.',
  SELF_SIGNED_CERT_IN_CHAIN: 'Name the CA certificate with sslrootcert=<file>.',
  UNABLE_TO_GET_ISSUER_CERT: 'Name the CA certificate with sslrootcert=<file>.',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'Name the CA certificate with sslrootcert=<file>.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'Name the CA certificate with sslrootcert=<file>.',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'Use the name in the certificate of the server as the host, or sslmode=verify-ca.',
};

/** Classes of PostgreSQL's codes for a server that starts, stops, is full, or whose connection was lost. */
const AWAY_CLASSES = /^(08|53|55|57|58)/;

/**
 * Tells whether a later try may succeed. `away`: it may; the server does not answer, or is not ready. `rejected`: it cannot; the
 * server answers, and refuses the connection until the user changes something. An unknown error is `away`, because another try
 * does no harm.
 */
export function classifyConnectError(error: unknown): 'away' | 'rejected' {
  return error instanceof UserError || CURES[errorCode(error) ?? ''] !== undefined ? 'rejected' : 'away';
}

/** What is wrong with the connection, and the cure, in one line without the password. */
export function describeConnectError(error: unknown, url: string): string {
  const code = errorCode(error);
  const what = `DATABASE_URL (${describeServer(url)}): ${errorMessage(error)}${code === undefined ? '' : ` [${code}]`}.`;
  // The message of a UserError already names the cure.
  if (error instanceof UserError) return what;
  return `${what} ${CURES[code ?? ''] ?? cureOf(code)}`;
}

function cureOf(code = ''): string {
  if (code === '25006') {
    return 'Name the primary server in DATABASE_URL if this server is a read-only standby; else set default_transaction_read_only to off.';
  }
  // PgBouncer has one code for most of its errors.
  if (code === '08P01') {
    return 'Start the PostgreSQL behind PgBouncer. A PgBouncer before 1.20 needs ignore_startup_parameters = IntervalStyle.';
  }
  const answered = /^\d[0-9A-Z]{4}$/.test(code) && !AWAY_CLASSES.test(code);
  return answered
    ? 'Correct the problem in that database, or name another database in DATABASE_URL.'
    : 'Start PostgreSQL there, or correct the host, the port or the sslmode in DATABASE_URL.';
}

/** User, host, port and database of the URL; never its password or its query. */
export function describeServer(url: string): string {
  const parts = /^\w+:\/\/(?:([^:@/?]*)(?::[^/?]*)?@)?([^@/?]*)(\/[^?]*)?/.exec(url);
  if (parts === null) return 'not a URL';
  const [, user, host, database] = parts;
  return `${user ? `${user}@` : ''}${host || 'local socket'}${database ?? ''}`;
}
