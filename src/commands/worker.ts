import type { Command } from '../runtime/command.ts';
import { runWorker } from '../worker/run-worker.ts';
import { runUntilStopped } from './run/until-stopped.ts';

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
  run: (args) =>
    runUntilStopped(args, {
      start: (settings, log, signal) => runWorker(settings, log, signal),
      logDraining: (log, signal, { SHUTDOWN_DRAIN_MS: drainMs }) =>
        log.info({ signal, drainMs }, 'worker.draining'),
      logCancelled: (log, signal) => log.info({ signal }, 'worker.start_cancelled'),
      lost: LOST,
    }),
};
