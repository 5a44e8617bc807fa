import { createServer } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  classifyConnectError,
  describeConnectError,
} from '../../../src/postgres/connection/connect-problem.ts';
import { createPool } from '../../../src/postgres/connection/pool.ts';
import { UserError } from '../../../src/runtime/failure.ts';
import { openDatabase, type TestDatabase } from '../database.ts';

const log = pino({ level: 'silent' });

describe('a pool', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openDatabase();
  });
  afterAll(() => database.close());

  const failureOf = async (url: string) => {
    const pool = createPool({ url, size: 1, log });
    const failure = await pool.query('SELECT 1').catch((error: unknown) => error);
    await pool.end();
    return failure;
  };
  const withParts = (change: (url: URL) => void) => {
    const url = new URL(database.url);
    change(url);
    return url.href;
  };

  it('has the application name nats-webhook-worker', async () => {
    const { rows } = await database.pool.query(`SELECT current_setting('application_name') AS name`);
    expect(rows).toEqual([{ name: 'nats-webhook-worker' }]);
  });

  it.each([
    ['mysql://localhost/x'],
    ['localhost:5432'],
    ['postgresql://user:pa/ss@localhost/x'],
    ['postgresql://user:pa#ss@localhost/x'],
    ['postgresql://a:5432,b:5432/x'],
    ['postgresql://localhost/x?sslmode=sometimes'],
    ['postgresql://localhost/x?sslmode=verify-ca'],
    ['postgresql://localhost/x?sslmode=verify-full&sslrootcert=/nowhere/ca.pem'],
  ])('refuses %s at once, and names DATABASE_URL', (url) => {
    expect(() => createPool({ url, size: 1, log })).toThrow(UserError);
    expect(() => createPool({ url, size: 1, log })).toThrow(/^DATABASE_URL/);
  });

  it.each(['disable', 'prefer', 'require', 'verify-full'])('accepts sslmode=%s', (mode) => {
    const pool = createPool({ url: `postgresql://localhost/x?sslmode=${mode}`, size: 1, log });
    return pool.end();
  });

  it('is rejected if the database is missing', async () => {
    const failure = await failureOf(
      withParts((url) => {
        url.pathname = '/no_such_database';
      }),
    );
    expect(classifyConnectError(failure)).toBe('rejected');
  });

  it('is rejected with a wrong password', async () => {
    const failure = await failureOf(
      withParts((url) => {
        url.password = 'wrong';
      }),
    );
    expect(failure).toMatchObject({ code: '28P01' });
    expect(classifyConnectError(failure)).toBe('rejected');
  });

  it('is rejected if the server asks for a password and the URL has none', async () => {
    const failure = await failureOf(
      withParts((url) => {
        url.password = '';
      }),
    );
    expect(classifyConnectError(failure)).toBe('rejected');
    expect(describeConnectError(failure, database.url)).toContain('Put the password into the URL.');
  });

  it('is rejected if the user is unknown', async () => {
    const failure = await failureOf(
      withParts((url) => {
        url.username = 'nobody_knows_me';
      }),
    );
    expect(classifyConnectError(failure)).toBe('rejected');
  });

  it('counts the server as away if nothing listens on the port', async () => {
    const failure = await failureOf('postgresql://localhost:1/x');
    expect(classifyConnectError(failure)).toBe('away');
  });

  it('counts the server as away if another program closes the connection', async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const failure = await failureOf(`postgresql://127.0.0.1:${port}/x`);
    server.close();
    expect(classifyConnectError(failure)).toBe('away');
  });

  it('goes on when its idle connections are cut', async () => {
    const pool = createPool({ url: database.url, size: 1, log });
    const { rows } = await pool.query('SELECT pg_backend_pid() AS pid');
    const removed = new Promise((resolve) => pool.once('remove', resolve));
    await database.pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
    await removed;
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await pool.end();
  });
});

describe('a connection problem', () => {
  it('names the setting, the server and the cure, and never the password', () => {
    const error = Object.assign(new Error('password authentication failed for user "u"'), { code: '28P01' });
    const text = describeConnectError(error, 'postgresql://u:s3cret@db.test:5433/app?options=s3cret');
    expect(text).toBe(
      'DATABASE_URL (u@db.test:5433/app): password authentication failed for user "u" [28P01]. ' +
        'Correct the user or the password in DATABASE_URL.',
    );
  });

  it.each([
    ['ECONNREFUSED', 'Start PostgreSQL there'],
    ['57P03', 'Start PostgreSQL there'],
    ['25006', 'Name the primary server'],
    ['42P07', 'Correct the problem in that database'],
    ['23502', 'Correct the problem in that database'],
  ])('of code %s names the right cure: %s', (code, cure) => {
    const error = Object.assign(new Error('the reason'), { code });
    expect(describeConnectError(error, 'postgresql://db/app')).toContain(`the reason [${code}]. ${cure}`);
  });

  it('does not show a password with an @ in it', () => {
    expect(describeConnectError(new Error('gone'), 'postgresql://u:s3@cret@db/app')).not.toMatch(/s3|cret/);
  });

  it.each([
    '57P03',
    '08006',
    'ECONNREFUSED',
    'ENOTFOUND',
    'ETIMEDOUT',
    '53300',
  ])('of code %s may end by itself', (code) => {
    expect(classifyConnectError(Object.assign(new Error('x'), { code }))).toBe('away');
  });

  it.each([
    '28P01',
    '28000',
    '3D000',
    '42501',
    'SELF_SIGNED_CERT_IN_CHAIN',
  ])('of code %s stays until the user changes something', (code) => {
    expect(classifyConnectError(Object.assign(new Error('x'), { code }))).toBe('rejected');
  });
});
