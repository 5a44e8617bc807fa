import { readSettings, type Settings } from '../../config/settings.ts';
import { parseFlags } from '../../runtime/command.ts';
import { createLogger, type Logger } from '../../runtime/logger.ts';
import { waitForStopSignal } from '../../runtime/stop-signal.ts';
import { logWarnings } from '../connect/setting-warnings.ts';

/** What runs until it is stopped. */
export type RunningProgram = {
  /** Resolves when the connection to NATS is closed for good, and a reconnect cannot cure that. */
  readonly broken: Promise<Error>;
  stop(): Promise<void>;
};

export type Program = {
  /**
   * @param signal Ends the start.
   * @throws {UserError} If the user can cure the problem; the signal's reason if the signal is aborted.
   */
  start(settings: Settings, log: Logger, signal: AbortSignal): Promise<RunningProgram>;
  logDraining(log: Logger, signal: NodeJS.Signals, settings: Settings): void;
  logCancelled(log: Logger, signal: NodeJS.Signals): void;
  /** What stops when the connection to NATS is closed for good, and the cure. */
  readonly lost: string;
};

/**
 * The `run` of a command without flags that runs until SIGTERM, SIGINT, or until the connection to NATS is closed for good.
 *
 * @returns The exit code: 0 after a signal, also during the start; else 1.
 */
export async function runUntilStopped(args: string[], program: Program): Promise<number> {
  parseFlags({ args, options: {} });
  const settings = readSettings();
  const log = await createLogger({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT });
  logWarnings(settings, log);
  const stopping = new AbortController();
  const signal = waitForStopSignal(log);
  void signal.then(() => stopping.abort());

  let running: RunningProgram;
  try {
    running = await program.start(settings, log, stopping.signal);
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    program.logCancelled(log, await signal);
    return 0;
  }
  const end = await Promise.race([signal, running.broken]);
  if (typeof end === 'string') program.logDraining(log, end, settings);
  else log.error({ error: end.message, hint: program.lost }, 'nats.lost');
  await running.stop();
  return typeof end === 'string' ? 0 : 1;
}
