import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UserError } from '../../runtime/failure.ts';
import type { Environment } from '../process/executables.ts';
import { freePort } from '../process/ports.ts';
import { awaitPreviousServer } from '../process/previous-server.ts';
import { type Exit, type SupervisedProcess, startSupervised } from '../process/supervised-process.ts';
import { whenReady } from '../process/when-ready.ts';
import { announceIfSlow, type Say } from '../progress.ts';
import { findNatsServer } from './binary.ts';

export interface NatsServerOptions {
  /** The folder of the server's streams, log and configuration. Created if missing. */
  readonly dataDir: string;
  /** The exact port for clients. 0: the server chooses any free port. @default `preferredPort` if free, else any free port */
  readonly port?: number;
  /** @default 4222 */
  readonly preferredPort?: number;
  /**
   * More for the server's configuration file: clusters, TLS, accounts, limits. The address, the port and the folder of the streams
   * are set already. The content must leave the log on standard error.
   */
  readonly extraConfig?: string;
  /** Source of NATS_SERVER_BIN, PATH, HOME and XDG_CACHE_HOME. npm runs with this environment. */
  readonly env: Environment;
  readonly log: Say;
  /** Called for steps that take longer than one second. */
  readonly onProgress?: Say;
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Settles when the server has ended, for any reason. */
  readonly exited: Promise<Exit>;
  /** Stops the server cleanly. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends the server with SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts a real nats-server on 127.0.0.1 with JetStream on files. Resolves when clients can connect. The server ends with this
 * program, in whatever way the program ends.
 * @throws UserError if there is no nats-server, the port is in use, or the server ends before clients can connect
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { env, onProgress } = options;
  const dataDir = resolve(options.dataDir);
  const binary = await findNatsServer(env, onProgress);
  await mkdir(dataDir, { recursive: true });
  const pidFile = join(dataDir, 'nats-server.pid');
  await announceIfSlow(`Waiting for the nats-server of an earlier run in ${dataDir} …`, onProgress, () =>
    awaitPreviousServer('nats-server', pidFile, dataDir),
  );
  await removePortsFiles(dataDir);
  const config = join(dataDir, 'nats-server.conf');
  await writeFile(config, natsConfig(dataDir, options.extraConfig), { mode: 0o600 });
  const port = options.port ?? (await freePort(options.preferredPort ?? 4222));

  const server = await startSupervised({
    command: binary,
    args: [
      ...['--config', config, '--addr', '127.0.0.1', '--port', String(port || -1), '--pid', pidFile],
      ...['--ports_file_dir', dataDir],
    ],
    env,
    logFile: join(dataDir, 'nats-server.log'),
    // With SIGTERM, the server closes its files and ends within milliseconds. SIGUSR2 (lame duck mode) takes ten seconds longer,
    // to let clients move to other servers; here the clients have ended before.
    stopSignal: 'SIGTERM',
    graceMs: 10_000,
  });
  const ready = () => readyPort(server, dataDir);
  const actualPort = await whenReady('nats-server', server, ready, onProgress, (logTail) =>
    logTail.includes('address already in use') ? portInUse(port) : undefined,
  );
  return {
    url: `nats://127.0.0.1:${actualPort}`,
    port: actualPort,
    pid: server.pid,
    exited: server.exited,
    stop: server.stop,
    kill: server.kill,
  };
}

/**
 * The content of the configuration file. JetStream and its folder stand here, because nats-server before 2.10.28 forgets these two
 * flags when its configuration is reloaded: JetStream ends for all clients, or the reload fails.
 * @param extraConfig Comes later, so its own `jetstream` replaces the one here. It stays on line 1, so that errors name its lines.
 */
export function natsConfig(dataDir: string, extraConfig = ''): string {
  return `jetstream: enabled, store_dir: ${JSON.stringify(dataDir)}, ${extraConfig}`;
}

/**
 * Reads the port of a server that is ready. The server writes its ports to a file named by its own pid when it listens, after
 * JetStream has recovered its streams. So the file of another server cannot be mistaken for this one.
 */
async function readyPort({ pid }: SupervisedProcess, dataDir: string): Promise<number | undefined> {
  const name = (await readdir(dataDir)).find((entry) => entry.endsWith(`_${pid}.ports`));
  const content = name && (await readFile(join(dataDir, name), 'utf8'));
  if (!content) return undefined;
  const { nats } = JSON.parse(content) as { nats: string[] };
  return Number(new URL(nats[0] ?? '').port);
}

/** Removes the ports files that killed servers left. */
async function removePortsFiles(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (name.endsWith('.ports')) await rm(join(dataDir, name), { force: true });
  }
}

function portInUse(port: number): UserError {
  return new UserError(
    `Port ${port} is in use: stop the program that listens on it, or choose another port.`,
  );
}
