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
/** As a superuser, over a connection without TLS. */
let admin: pg.Pool;

beforeAll(async () => {
  authority = await makeAuthority();
  const server = await startPrivatePostgres();
  plainUrl = server.url;
  admin = new pg.Pool({ connectionString: plainUrl, max: 1 });
  // The server may stop before it has read that we leave. It says so to a client that is still the pool's, which says it on
  // as its own error, and then to one that nobody listens to any more.
  admin.on('error', () => {});
  admin.on('connect', (client) => client.on('error', () => {}));
  cleanUpAfter(() => admin.end());
});

/** The server writes its files itself, so that they are its user's, whoever runs the tests. */
async function writeThere(name: string, content: string): Promise<void> {
  const { rows } = await admin.query('SHOW data_directory');
  const path = `${rows[0].data_directory}/${name}`;
  const lines = content.trimEnd().replaceAll("'", "''");
  await admin.query(`COPY (SELECT unnest(string_to_array('${lines}', E'\\n'))) TO '${path}'`);
  await chmod(path, 0o600);
}

async function setTls(on: boolean, certificate?: Certificate): Promise<void> {
  if (certificate !== undefined) {
    await writeThere('server.crt', await readFile(certificate.certFile, 'utf8'));
    await writeThere('server.key', await readFile(certificate.keyFile, 'utf8'));
    await writeThere('root.crt', await readFile(authority.caFile, 'utf8'));
    await admin.query(`ALTER SYSTEM SET ssl_ca_file = 'root.crt'`);
  }
  await admin.query(`ALTER SYSTEM SET ssl = ${on ? 'on' : 'off'}`);
  const { rows } = await admin.query(`SELECT pg_conf_load_time() AS before, pg_reload_conf()`);
  await until(
    async () => (await admin.query('SELECT pg_conf_load_time() AS now')).rows[0].now > rows[0].before,
  );
}

/** The URL with these parameters in place of its own. */
function urlWith(parameters: Record<string, string>, host = '127.0.0.1'): string {
  const url = new URL(plainUrl);
  url.hostname = host;
  url.search = new URLSearchParams(parameters).toString();
  return url.href;
}

/** Whether the connection is encrypted, or what a person is told. */
async function connecting(url: string): Promise<boolean | string> {
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
  test('is an error where sslmode asks for TLS, which ends a worker', async () => {
    const url = urlWith({ sslmode: 'require' });
    expect(await connecting(url)).toMatch(
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

  test('is connected to without, where sslmode does not ask for it', async () => {
    expect(await connecting(plainUrl)).toBe(false);
  });

  test('is not asked for its authority with sslmode=require', async () => {
    expect(await connecting(urlWith({ sslmode: 'require' }))).toBe(true);
  });

  test('is listened to over TLS, which keeps no process alive', async () => {
    const program = fileURLToPath(new URL('programs/listen-and-end.mjs', import.meta.url));
    const url = urlWith({ sslmode: 'require' }, 'localhost');
    const listening = await runCommand(process.execPath, [program, url]);
    await listening.waitForLine('listens');
    expect(await listening.waitForExit()).toMatchObject({ code: 0 });
  });

  test.each(['verify-ca', 'verify-full'])('is checked with sslmode=%s and sslrootcert', async (sslmode) => {
    const parameters = { sslmode, sslrootcert: authority.caFile };
    expect(await connecting(urlWith(parameters, 'localhost'))).toBe(true);
  });

  test.each([
    { sslmode: 'require' },
    { sslmode: 'verify-ca' },
    { sslmode: 'verify-full' },
  ])('of another authority is refused with $sslmode and sslrootcert, with the cure', async ({ sslmode }) => {
    const { caFile } = await makeAuthority();
    const said = await connecting(urlWith({ sslmode, sslrootcert: caFile }, 'localhost'));
    expect(said).toMatch(/\[(UNABLE_TO|SELF_SIGNED).*\]\. Name the CA certificate with sslrootcert=<file>/);
  });

  test('with a certificate for another name is refused with sslmode=verify-full, with the cure', async () => {
    const url = urlWith({ sslmode: 'verify-full', sslrootcert: authority.caFile });
    expect(await connecting(url)).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID\]\. Use the name in the certificate/);
  });

  test('with an expired certificate is refused with sslmode=verify-full, with the cure', async () => {
    await setTls(true, await authority.sign('postgres', ['localhost'], { expired: true }));
    const url = urlWith({ sslmode: 'verify-full', sslrootcert: authority.caFile }, 'localhost');
    expect(await connecting(url)).toMatch(/CERT_HAS_EXPIRED\]\. Renew the certificate of the server/);
  });

  test('that asks for our certificate gets sslcert and sslkey', async () => {
    await setTls(true, await authority.sign('postgres', ['localhost']));
    await writeThere(
      'pg_hba.conf',
      'hostnossl all all all scram-sha-256\nhostssl all all all scram-sha-256 clientcert=verify-ca',
    );
    await setTls(true);
    const { certFile, keyFile } = await authority.sign('worker');
    const parameters = { sslmode: 'verify-full', sslrootcert: authority.caFile };
    expect(await connecting(urlWith(parameters, 'localhost'))).toMatch(/client certificate.*\[28000\]/);
    const ours = { ...parameters, sslcert: certFile, sslkey: keyFile };
    expect(await connecting(urlWith(ours, 'localhost'))).toBe(true);
  });

  test('is not dialed where a certificate file is not there, which is named', async () => {
    const url = urlWith({ sslmode: 'verify-full', sslrootcert: '/no/such.pem' });
    expect(await connecting(url)).toContain('certificate file that cannot be read: /no/such.pem (ENOENT)');
  });
});
