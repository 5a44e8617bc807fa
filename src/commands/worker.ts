import { readSettings } from '../config/settings.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { createLogger } from '../runtime/logger.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';
import { runWorker } from '../worker/run-worker.ts';
import { logWarnings } from './connect/setting-warnings.ts';

const LOST = 'The connection to NATS is closed for good, so the worker stops. Start the worker again.';

export const command: Command = {
  summary: 'delivers the published webhooks',
  help: `
Usage: worker

Pulls messages from the stream, POSTs each one to its endpoint, and writes statistics to PostgreSQL. Starts no server.
All settings are environment variables, or lines of a .env file in the working folder; docs/settings.md lists them.
On SIGTERM or Ctrl-C, attempts in flight may finish (SHUTDOWN_DRAIN_MS); other workers deliver the remaining messages.

  NATS_URL=nats://localhost:4222 DATABASE_URL=postgresql://… worker
`,
  async run(args) {
    parseFlags({ args, options: {} });
    const settings = readSettings();
    const log = await createLogger({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT });
    logWarnings(settings, log);
    const stopping = new AbortController();
    const signal = waitForStopSignal(log);
    void signal.then(() => stopping.abort());

    try {
      const worker = await runWorker(settings, log, stopping.signal);
      const end = await Promise.race([signal, worker.broken]);
      if (typeof end === 'string')
        log.info({ signal: end, drainMs: settings.SHUTDOWN_DRAIN_MS }, 'worker.draining');
      else log.error({ error: end.message, hint: LOST }, 'nats.lost');
      await worker.stop();
      return typeof end === 'string' ? 0 : 1;
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
      log.info({ signal: await signal }, 'worker.start_cancelled');
      return 0;
    }
  },
};
