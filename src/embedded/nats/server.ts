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
  /** Where the server keeps its streams, its log and its configuration. Made if missing. */
  readonly dataDir: string;
  /** The port for clients, exactly this one; 0: the server takes any. Default: `preferredPort` if free, else any. */
  readonly port?: number;
  /** @default 4222 */
  readonly preferredPort?: number;
  /**
   * Contents of the server's configuration file: clusters, TLS, accounts, limits. Address, port and the folder of the
   * streams are set beside it. It must leave the log on standard error.
   */
  readonly extraConfig?: string;
  /** Searched for NATS_SERVER_BIN, PATH, HOME and XDG_CACHE_HOME; npm runs with it. */
  readonly env: Environment;
  readonly log: Say;
  /** Told of steps that take longer than a second. */
  readonly onProgress?: Say;
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Settles when the server has ended, for whatever reason. */
  readonly exited: Promise<Exit>;
  /** Stops it properly. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts a real nats-server on 127.0.0.1 with JetStream on files; resolves when clients can connect. It ends with this program,
 * however that ends.
 * @throws UserError if there is no nats-server, the port is taken, or it ends early
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
  await writeFile(config, options.extraConfig ?? '', { mode: 0o600 });
  const port = options.port ?? (await freePort(options.preferredPort ?? 4222));

  const server = await startSupervised({
    command: binary,
    args: [
      ...['--config', config, '--addr', '127.0.0.1', '--port', String(port || -1), '--pid', pidFile],
      ...['--jetstream', '--store_dir', dataDir, '--ports_file_dir', dataDir],
    ],
    env,
    logFile: join(dataDir, 'nats-server.log'),
    // It closes its files and ends within milliseconds. SIGUSR2, lame duck mode, takes ten seconds longer for the
    // sake of clients that would reconnect to other servers; ours have ended before.
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
 * The server writes its ports to a file named by its own pid once it listens, which is after JetStream has recovered its
 * streams: no other server can be taken for it.
 */
async function readyPort({ pid }: SupervisedProcess, dataDir: string): Promise<number | undefined> {
  const name = (await readdir(dataDir)).find((entry) => entry.endsWith(`_${pid}.ports`));
  const content = name && (await readFile(join(dataDir, name), 'utf8'));
  if (!content) return undefined;
  const { nats } = JSON.parse(content) as { nats: string[] };
  return Number(new URL(nats[0] ?? '').port);
}

/** Those of servers that were killed. */
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
