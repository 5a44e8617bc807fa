import { chmod, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { pino } from 'pino';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeConnectError } from '../../src/postgres/connection/connect-problem.ts';
import { createPool } from '../../src/postgres/connection/pool.ts';
import { outcomeOf } from '../commands/programs.ts';
import { type Authority, type Certificate, makeAuthority } from '../support/certificates.ts';
import { cleanUpAfter } from '../support/clean-up.ts';
import { runCommand } from '../support/program.ts';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';

const log = pino({ level: 'silent' });
let authority: Authority;
let plainUrl: string;
/** A superuser's pool, without TLS. */
let admin: pg.Pool;

beforeAll(async () => {
  authority = await makeAuthority();
  const server = await startPrivatePostgres();
  plainUrl = server.url;
  admin = new pg.Pool({ connectionString: plainUrl, max: 1 });
  // The server may stop before it has read that the clients leave. This error comes to a client of the pool, which passes it
  // on, or to a client that has left the pool.
  admin.on('error', () => {});
  admin.on('connect', (client) => client.on('error', () => {}));
  cleanUpAfter(() => admin.end());
});

/** The server writes the file itself, so that the file belongs to the user of the server, no matter who runs the tests. */
async function writeOnServer(name: string, content: string): Promise<void> {
  const { rows } = await admin.query('SHOW data_directory');
  const path = `${rows[0].data_directory}/${name}`;
  const lines = content.trimEnd().replaceAll("'", "''");
  await admin.query(`COPY (SELECT unnest(string_to_array('${lines}', E'\\n'))) TO '${path}'`);
  await chmod(path, 0o600);
}

async function setTls(on: boolean, certificate?: Certificate): Promise<void> {
  if (certificate !== undefined) {
    await writeOnServer('server.crt', await readFile(certificate.certFile, 'utf8'));
    await writeOnServer('server.key', await readFile(certificate.keyFile, 'utf8'));
    await writeOnServer('root.crt', await readFile(authority.caFile, 'utf8'));
    await admin.query(`ALTER SYSTEM SET ssl_ca_file = 'root.crt'`);
  }
  await admin.query(`ALTER SYSTEM SET ssl = ${on ? 'on' : 'off'}`);
  const { rows } = await admin.query(`SELECT pg_conf_load_time() AS before, pg_reload_conf()`);
  await until(
    async () => (await admin.query('SELECT pg_conf_load_time() AS now')).rows[0].now > rows[0].before,
  );
}

/** The URL with these parameters only. */
function urlWith(parameters: Record<string, string>, host = '127.0.0.1'): string {
  const url = new URL(plainUrl);
  url.hostname = host;
  url.search = new URLSearchParams(parameters).toString();
  return url.href;
}

/** True if the connection is encrypted, false if not; or the text of the error. */
async function connectTo(url: string): Promise<boolean | string> {
  let pool: pg.Pool | undefined;
  try {
    pool = createPool({ url, size: 1, log });
    const { rows } = await pool.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    return rows[0].ssl;
  } catch (error) {
    return describeConnectError(error, url);
  } finally {
    await pool?.end();
  }
}

describe('a server without TLS', () => {
  test('is an error that ends a worker if sslmode asks for TLS', async () => {
    const url = urlWith({ sslmode: 'require' });
    expect(await connectTo(url)).toMatch(
      /the server does not speak TLS, and sslmode asks for TLS\. Switch on TLS/,
    );
    const { code, stderr } = await outcomeOf(['worker'], {
      DATABASE_URL: url,
      NATS_URL: 'nats://127.0.0.1:1',
    });
    expect(stderr).toContain('the server does not speak TLS');
    expect(stderr).not.toContain(new URL(url).password);
    expect(code).toBe(1);
  });
});

describe('a server with TLS', () => {
  beforeAll(async () => setTls(true, await authority.sign('postgres', ['localhost'])));

  test('is used without TLS if sslmode does not ask for it', async () => {
    expect(await connectTo(plainUrl)).toBe(false);
  });

  test('needs no known certificate authority with sslmode=require', async () => {
    expect(await connectTo(urlWith({ sslmode: 'require' }))).toBe(true);
  });

  test('does not keep a process alive that listens over TLS', async () => {
    const program = fileURLToPath(new URL('programs/listen-and-end.mjs', import.meta.url));
    const url = urlWith({ sslmode: 'require' }, 'localhost');
    const listening = await runCommand(process.execPath, [program, url]);
    await listening.waitForLine('listens');
    expect(await listening.waitForExit()).toMatchObject({ code: 0 });
  });

  test.each(['verify-ca', 'verify-full'])('is checked with sslmode=%s and sslrootcert', async (sslmode) => {
    const parameters = { sslmode, sslrootcert: authority.caFile };
    expect(await connectTo(urlWith(parameters, 'localhost'))).toBe(true);
  });

  test.each([
    { sslmode: 'require' },
    { sslmode: 'verify-ca' },
    { sslmode: 'verify-full' },
  ])('of another authority is rejected with $sslmode and sslrootcert, and the error names the cure', async ({
    sslmode,
  }) => {
    const { caFile } = await makeAuthority();
    const problem = await connectTo(urlWith({ sslmode, sslrootcert: caFile }, 'localhost'));
    expect(problem).toMatch(
      /\[(UNABLE_TO|SELF_SIGNED).*\]\. Name the CA certificate with sslrootcert=<file>/,
    );
  });

  test('with a certificate for another name is rejected with sslmode=verify-full, and the error names the cure', async () => {
    const url = urlWith({ sslmode: 'verify-full', sslrootcert: authority.caFile });
    expect(await connectTo(url)).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID\]\. Use the name in the certificate/);
  });

  test('with an expired certificate is rejected with sslmode=verify-full, and the error names the cure', async () => {
    await setTls(true, await authority.sign('postgres', ['localhost'], { expired: true }));
    const url = urlWith({ sslmode: 'verify-full', sslrootcert: authority.caFile }, 'localhost');
    expect(await connectTo(url)).toMatch(/CERT_HAS_EXPIRED\]\. Renew the certificate of the server/);
  });

  test('that asks for a client certificate gets sslcert and sslkey', async () => {
    await setTls(true, await authority.sign('postgres', ['localhost']));
    await writeOnServer(
      'pg_hba.conf',
      'hostnossl all all all scram-sha-256\nhostssl all all all scram-sha-256 clientcert=verify-ca',
    );
    await setTls(true);
    const { certFile, keyFile } = await authority.sign('worker');
    const parameters = { sslmode: 'verify-full', sslrootcert: authority.caFile };
    expect(await connectTo(urlWith(parameters, 'localhost'))).toMatch(/client certificate.*\[28000\]/);
    const ours = { ...parameters, sslcert: certFile, sslkey: keyFile };
    expect(await connectTo(urlWith(ours, 'localhost'))).toBe(true);
  });

  test('is not connected to if a certificate file is missing, and the error names the file', async () => {
    const url = urlWith({ sslmode: 'verify-full', sslrootcert: '/no/such.pem' });
    expect(await connectTo(url)).toContain('certificate file that cannot be read: /no/such.pem (ENOENT)');
  });
});
