import { runApi } from '../api/run-api.ts';
import { readSettings } from '../config/settings.ts';
import { type RunningRelay, relayHealthRoute, runRelay } from '../relay/run-relay.ts';
import { type Command, parseFlags } from '../runtime/command.ts';
import { errorMessage } from '../runtime/failure.ts';
import { createLogger } from '../runtime/logger.ts';
import { waitForStopSignal } from '../runtime/stop-signal.ts';
import { runWorker } from '../worker/run-worker.ts';
import { logWarnings } from './connect/setting-warnings.ts';

const LOST = 'The connection to NATS is closed for good, so all parts stop. Start the program again.';

export const command: Command = {
  summary: 'runs api, relay and worker in one process, on your servers',
  help: `
Usage: all

Takes webhooks by HTTP (see api), publishes those that transactions put into the outbox (see relay), and delivers them (see
worker). Starts no server. All settings are environment variables, or lines of a .env file in the working folder;
docs/settings.md lists them. HTTP_PORT serves /health of the worker, and /health/relay. On SIGTERM or Ctrl-C, requests under
way are answered first, and then attempts in flight may finish (SHUTDOWN_DRAIN_MS).

  NATS_URL=nats://localhost:4222 DATABASE_URL=postgresql://… all
`,
  async run(args) {
    parseFlags({ args, options: {} });
    const settings = readSettings();
    const log = await createLogger({ level: settings.LOG_LEVEL, format: settings.LOG_FORMAT });
    logWarnings(settings, log);
    const stopping = new AbortController();
    const signal = waitForStopSignal(log);
    void signal.then(() => stopping.abort());

    const running: { stop(): Promise<void>; readonly broken: Promise<Error> }[] = [];
    let relay: RunningRelay | null = null;
    const routes = () => [relayHealthRoute('/health/relay', () => relay?.health() ?? null)];
    try {
      // One after the other: each makes what is missing. The worker has HTTP_PORT.
      running.push(await runWorker(settings, log, stopping.signal, { routes }));
      relay = await runRelay({ ...settings, HTTP_PORT: 0 }, log, stopping.signal);
      running.push(relay);
      running.push(await runApi(settings, log, stopping.signal));
      log.info({}, 'all.started');
      const end = await Promise.race([signal, ...running.map(({ broken }) => broken)]);
      if (typeof end === 'string') log.info({ signal: end }, 'all.draining');
      else log.error({ error: errorMessage(end), hint: LOST }, 'nats.lost');
      return typeof end === 'string' ? 0 : 1;
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
      log.info({ signal: await signal }, 'all.start_cancelled');
      return 0;
    } finally {
      for (const part of running.reverse()) await part.stop();
    }
  },
};
