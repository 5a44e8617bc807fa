import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { environment } from '../../src/config/settings.ts';
import { type SupervisedProcess, startSupervised } from '../../src/embedded/process/supervised-process.ts';
import { whenReady } from '../../src/embedded/process/when-ready.ts';
import { UserError } from '../../src/runtime/failure.ts';

/** ACK_WAIT_MS of the workers, in milliseconds. With the default of 60 s, the run would only take longer. */
export const ACK_WAIT_MS = 3000;

/** Short times, and so few slots that an unhealthy endpoint can fill them. */
const SETTINGS = {
  ACK_WAIT_MS: String(ACK_WAIT_MS),
  ATTEMPT_TIMEOUT_MS: '1500',
  CONCURRENCY: '20',
  // Enough until the endpoint recovers, so that no message becomes a dead letter.
  MAX_ATTEMPTS: '100',
  BACKOFF_BASE_MS: '100',
  BACKOFF_MAX_MS: '1000',
  STATS_INTERVAL_MS: '500',
  ALLOWED_PRIVATE_CIDRS: '127.0.0.0/8',
  HTTP_PORT: '0',
  LOG_FORMAT: 'json',
};
const NO_DATABASE = 'postgresql://127.0.0.1:1/none';

/** A worker that can be ended and started again. */
export interface ChaosWorker {
  /**
   * Resolves when the worker has started.
   *
   * @param otherSettings These replace its own, until the next start.
   */
  start(otherSettings?: WorkerSettings): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM. @throws {UserError} if the exit code is not 0. */
  terminate(): Promise<void>;
  pause(): void;
  resume(): void;
}

export type WorkerSettings = Readonly<Record<string, string>>;

/** The settings of the workers of a scene, with its own ones. */
export function workerSettings(own: WorkerSettings): WorkerSettings & Readonly<typeof SETTINGS> {
  return { ...SETTINGS, ...own };
}

const MAIN = resolve('dist/main.js');
/** Longer than a worker may take to stop. */
const GRACE_MS = 30_000;

type WorkerOptions = {
  readonly name: string;
  /** The folder of its log. */
  readonly folder: string;
  readonly natsUrl: string;
  /** @default a URL where no server is */
  readonly databaseUrl: string | undefined;
  readonly settings: WorkerSettings;
  /** Modules that node loads before the program. */
  readonly imports: readonly string[];
  /** Called when the worker ends although nobody has stopped it. */
  readonly failed: (error: UserError) => void;
};

/** The worker ends with this program. */
export function makeWorker(options: WorkerOptions): ChaosWorker {
  const { name, folder, natsUrl, databaseUrl = NO_DATABASE, failed } = options;
  const logFile = join(folder, `${name}.log`);
  let running: SupervisedProcess | null = null;

  /** The process. From now on, its end is expected. */
  function take(): SupervisedProcess {
    const taken = running;
    if (taken === null) throw new Error(`${name} does not run`);
    running = null;
    return taken;
  }

  return {
    async start(otherSettings = {}) {
      const started = await startSupervised({
        command: process.execPath,
        args: [...options.imports.map((module) => `--import=${module}`), MAIN, 'worker'],
        env: environment(),
        settings: {
          ...options.settings,
          NATS_URL: natsUrl,
          DATABASE_URL: databaseUrl,
          CONSUMER_NAME: name,
          ...otherSettings,
        },
        logFile,
        stopSignal: 'SIGTERM',
        graceMs: GRACE_MS,
      });
      running = started;
      void started.exited.then(async () => {
        if (running === started)
          failed(new UserError(`${name} ended. Its last output was:\n${await started.logTail()}`));
      });
      const delivers = async () =>
        (await readFile(logFile, 'utf8')).includes('"worker.started"') || undefined;
      await whenReady(name, started, delivers, undefined, () => undefined);
    },
    async kill() {
      if (running !== null) await take().kill();
    },
    async terminate() {
      const ending = take();
      await ending.stop();
      const { code, signal } = await ending.exited;
      if (code !== 0) throw new UserError(`${name} ended with ${signal ?? `code ${code}`} at SIGTERM.`);
    },
    pause: () => void process.kill(running!.pid, 'SIGSTOP'),
    resume: () => void process.kill(running!.pid, 'SIGCONT'),
  };
}
