import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { cleanUpAfter } from '../support/clean-up.ts';

/** Locks the table of attempts, so that whoever reads it waits until `release`. */
export async function lockAttempts(url: string) {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  cleanUpAfter(() => pool.end());
  const client = await pool.connect();
  await client.query('BEGIN; LOCK TABLE rule_nats_delivery_attempts IN ACCESS EXCLUSIVE MODE');
  return {
    pool,
    async release() {
      await client.query('ROLLBACK');
      client.release();
    },
  };
}

/** A way to a PostgreSQL that can fall silent: the connections stay open, and nothing goes through them any more. */
export async function breakableLink(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets: Socket[] = [];
  let isFrozen = false;
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.push(from);
      from.on('data', (bytes) => {
        if (!isFrozen) to.write(bytes);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => {});
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanUpAfter(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    freeze() {
      isFrozen = true;
    },
  };
}
