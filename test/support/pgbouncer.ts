import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/embedded/process/ports.ts';
import { temporaryFolder } from './clean-up.ts';
import { type RunningProgram, runCommand } from './program.ts';

const PROGRAM = process.env.TEST_PGBOUNCER || 'pgbouncer';

/** Why no PgBouncer can be started; null: one can. */
export async function pgBouncerProblem(): Promise<string | null> {
  try {
    await promisify(execFile)(PROGRAM, ['--version']);
    return null;
  } catch {
    return `${PROGRAM} cannot be run: install PgBouncer, or set TEST_PGBOUNCER to its path`;
  }
}

export type PgBouncer = {
  /** The URL of the database behind PgBouncer. */
  readonly url: string;
  readonly program: RunningProgram;
};

export type PgBouncerOptions = {
  readonly databaseUrl: string;
  readonly mode: 'transaction' | 'session';
  /** The most connections to PostgreSQL. With fewer than there are clients, clients share them. */
  readonly size: number;
};

/** Starts a real PgBouncer before the database. `cleanUpAfter` stops it. */
export async function startPgBouncer({ databaseUrl, mode, size }: PgBouncerOptions): Promise<PgBouncer> {
  const target = new URL(databaseUrl);
  const port = await freePort();
  const folder = await temporaryFolder();
  const file = join(folder, 'pgbouncer.ini');
  const login = `user=${decodeURIComponent(target.username)} password=${decodeURIComponent(target.password)}`;
  await writeFile(
    file,
    `[databases]
* = host=${target.hostname} port=${target.port} ${login}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${size}
max_client_conn = 200
ignore_startup_parameters = IntervalStyle
`,
  );
  await chmod(folder, 0o755);
  // PgBouncer refuses to run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const program = await runCommand(PROGRAM, [...user, file]);
  await program.waitForLine(/process up/);
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return { url: url.href, program };
}
