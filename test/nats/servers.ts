import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { findNatsServer } from '../../src/embedded/nats/binary.ts';
import { freePort } from '../../src/embedded/process/ports.ts';
import type { EventFields, NatsClient } from '../../src/nats/connection/client.ts';
import { connectToNats, type NatsOptions } from '../../src/nats/connection/connection.ts';
import { UserError } from '../../src/runtime/failure.ts';
import { temporaryFolder } from '../support/clean-up.ts';

const quiet = () => {};

const ACCOUNTS = 40;

/**
 * The configuration of a server with an account for each test of a file. Tests that delete their streams could not share an
 * account: a server that creates a stream of the same name at once may find messages of the deleted stream in it.
 */
export const ACCOUNT_PER_TEST = `accounts { ${Array.from({ length: ACCOUNTS }, (_, n) => account(n)).join('\n')} }`;

let nextAccount = 0;

/** The logins of an account that no test has used: a user with all permissions, and a user without some of them. */
export function freshAccount() {
  const n = nextAccount++;
  return { all: { user: `all${n}`, pass: 'x' }, limited: { user: `limited${n}`, pass: 'x' } };
}

function account(n: number): string {
  const denied = 'permissions: { publish: { deny: ["$JS.API.STREAM.CREATE.>", "denied.>"] } }';
  return `T${n} { jetstream: enabled, users: [ {user: all${n}, password: x}, {user: limited${n}, password: x, ${denied}} ] }`;
}

/** A log that records its events with their level and fields. */
export function recordedLog() {
  const events: (EventFields & { readonly level: string; readonly msg: string })[] = [];
  const keep = (level: string) => (fields: EventFields, msg: string) =>
    void events.push({ level, ...fields, msg });
  return { events, info: keep('info'), warn: keep('warn'), error: keep('error') };
}

/** A client for one test. */
export async function connectTo(url: string, options: Partial<NatsOptions> = {}): Promise<NatsClient> {
  const client = await connectToNats({ servers: [url], name: 'test', log: recordedLog(), ...options });
  onTestFinished(() => client.close());
  return client;
}

/** The error of an action that must fail. */
export function failure(action: Promise<unknown>): Promise<Error> {
  return action.then(
    () => {
      throw new Error('it did not fail');
    },
    (error) => error,
  );
}

/** The message of the UserError with which an action must fail. */
export async function refusal(action: Promise<unknown>): Promise<string> {
  const error = await failure(action);
  if (!(error instanceof UserError)) throw error;
  return error.message;
}

/** A real nats-server without JetStream, for one test. */
export const startWithoutJetStream = () => startByHand('');

/** A real nats-server, for one test. It is ready when its log says so. */
export async function startByHand(config: string, host = '127.0.0.1') {
  const port = await freePort();
  const folder = await temporaryFolder();
  const file = join(folder, 'nats-server.conf');
  // As a flag, the folder would be forgotten by a reload of nats-server before 2.10.28.
  const write = (text: string) => writeFile(file, `store_dir: "${folder}", ${text}`);
  await write(config);
  const args = ['--config', file, '--addr', host, '--port', String(port)];
  const server = spawn(await findNatsServer(process.env), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(async () => {
    server.kill();
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
  });
  // The log is read to the end, because its next line kills a server whose log nobody reads.
  await new Promise<void>((ready) => {
    server.stderr.on('data', (text) => String(text).includes('Server is ready') && ready());
  });
  const reload = async (changed: string) => {
    await write(changed);
    server.kill('SIGHUP');
  };
  return { url: `nats://${host}:${port}`, port, reload, kill: () => server.kill('SIGKILL') };
}

/** A server that sends `greeting` to each client and answers each PING, for one test. */
export async function startGreeter(greeting: string, port = 0): Promise<{ url: string }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', quiet);
    socket.on('data', (data) => {
      if (data.includes('PING')) socket.write('PONG\r\n');
    });
    socket.write(greeting);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `nats://127.0.0.1:${(server.address() as { port: number }).port}` };
}
