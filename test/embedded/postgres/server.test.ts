import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { type PostgresOptions, startPostgres } from '../../../src/embedded/postgres/server.ts';
import { isRunning } from '../../../src/embedded/process/process-identity.ts';
import { cleanUpAfter, temporaryFolder } from '../../support/clean-up.ts';
import { runCommand } from '../../support/program.ts';
import { startPrivatePostgres } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';

const PROGRAM = new URL('../programs/start-servers.mjs', import.meta.url).pathname;

const newFolder = async () => join(await temporaryFolder(), 'postgres');

async function start(dataDir: string, options: Partial<PostgresOptions> = {}) {
  const logged: string[] = [];
  const log = (line: string) => logged.push(line);
  const server = await startPostgres({ dataDir, port: 0, fsync: false, env: process.env, log, ...options });
  cleanUpAfter(server.stop);
  return { ...server, logged };
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

const passwordOf = (url: string) => new URL(url).password;

describe('an embedded PostgreSQL', () => {
  it('creates its data folder, returns its URL, and requires its password', async () => {
    const folder = await newFolder();
    const server = await start(folder);
    expect(await query(server.url, `SELECT split_part(current_setting('server_version'), ' ', 1)`)).toEqual([
      server.version,
    ]);
    await expect(query(server.url.replace(/:[0-9a-f]{32}@/, ':wrong@'), 'SELECT 1')).rejects.toMatchObject({
      code: '28P01',
    });
    expect((await stat(join(folder, 'password'))).mode & 0o777).toBe(0o600);
  });

  it('has the same data and password at the next start', async () => {
    const folder = await newFolder();
    const first = await start(folder, { password: 'p/a:s s' });
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await first.stop();
    const second = await start(folder);
    expect(passwordOf(second.url)).toBe(passwordOf(first.url));
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([7]);
  });

  it('ends when it is stopped, even with clients connected', async () => {
    const server = await start(await newFolder());
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    const ended = new Promise((resolve) => client.on('error', resolve));
    await server.stop();
    expect(isRunning(server.pid)).toBe(false);
    await ended;
  });

  it('starts again right after a kill, even if a session was busy', async () => {
    const server = await startPrivatePostgres();
    const client = new pg.Client({ connectionString: server.url });
    client.on('error', () => {});
    await client.connect();
    const busy = client.query(`SELECT pg_sleep(1000)`).catch(() => 'lost');
    await server.kill();
    await server.restart();
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
    await expect(busy).resolves.toBe('lost');
  });

  it('waits for the previous server of a program that was just killed', async () => {
    const folder = await temporaryFolder();
    const program = await runCommand(process.execPath, [PROGRAM, folder]);
    const [, natsPid, postgresPid] = (await program.waitForLine(/^servers/)).split(' ').map(Number);
    program.kill('SIGKILL');
    const server = await start(join(folder, 'postgres'));
    expect(isRunning(postgresPid!)).toBe(false);
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
    await until(() => !isRunning(natsPid!));
  });

  it('fails if its port is in use, and the error names the port', async () => {
    const { port } = await start(await newFolder());
    await expect(start(await newFolder(), { port })).rejects.toThrow(`Port ${port} is in use`);
  });
});

describe("PostgreSQL's data folder", () => {
  it('is created again after the program was killed while initdb ran', async () => {
    const folder = await temporaryFolder();
    const program = await runCommand(process.execPath, [PROGRAM, folder]);
    await until(async () =>
      (await readdir(join(folder, 'postgres'))).some((name) => name.startsWith('cluster.new-')),
    );
    program.kill('SIGKILL');
    const server = await start(join(folder, 'postgres'));
    expect(await query(server.url, 'SELECT 1')).toEqual([1]);
  });

  it('is cleared of the files that a killed initdb left', async () => {
    const folder = await newFolder();
    await mkdir(join(folder, 'cluster.new-1', 'base'), { recursive: true });
    await writeFile(join(folder, 'password'), 'half');
    await start(folder);
    expect((await readdir(folder)).sort()).toEqual(['cluster', 'initdb.log', 'password', 'postgres.log']);
  });

  it('is renamed, and created again, if its vital files are missing', async () => {
    const folder = await newFolder();
    await mkdir(join(folder, 'cluster'), { recursive: true });
    await writeFile(join(folder, 'cluster', 'PG_VERSION'), '18\n');
    const server = await start(folder);
    const renamed = (await readdir(folder)).find((name) => name.startsWith('cluster.broken-'));
    expect(await readFile(join(folder, renamed!, 'PG_VERSION'), 'utf8')).toBe('18\n');
    expect(server.logged.join()).toContain('is not complete');
  });

  it('is left unchanged, and named in the error, if it has files of another program', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'precious.txt'), 'do not touch');
    await expect(start(folder)).rejects.toThrow(`${folder} holds files of another program (precious.txt)`);
    expect(await readdir(folder)).toEqual(['precious.txt']);
  });

  it('is an error that names the versions if another version of PostgreSQL created it', async () => {
    const folder = await newFolder();
    await mkdir(join(folder, 'cluster', 'global'), { recursive: true });
    await writeFile(join(folder, 'cluster', 'global', 'pg_control'), '');
    await writeFile(join(folder, 'cluster', 'PG_VERSION'), '9.6\n');
    await expect(start(folder)).rejects.toThrow(
      /No PostgreSQL 9, which made the data.*it is PostgreSQL 1[4-9]/s,
    );
  });

  it('is an error that names the cure if its password file is missing', async () => {
    const folder = await newFolder();
    const server = await start(folder);
    await server.stop();
    await rm(join(folder, 'password'));
    await expect(start(folder)).rejects.toThrow(`put it back into ${folder}/password, or remove ${folder}`);
  });
});
